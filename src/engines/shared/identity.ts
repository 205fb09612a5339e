/** Answers: where the weights of an artifact lie, as an engine is told. */
import type { ModelInfo, Artifact } from '../../models/model.ts';

/**
 * The artifact's path, or the model's name in braces when it is not on this machine: such a plan
 * can be read but not started, and `launch` refuses it before any process is made.
 */
export function modelPath(model: ModelInfo, artifact: Artifact): string {
  return artifact.path ?? `{${model.ref}}`;
}
