/** Answers: the parts of a plan that follow from the verdict in the same way for every engine. */
import type { Engine, EngineInput, EnginePlan, PlanArgument, VerdictOk } from '../engine.ts';
import { weightsBytes } from '../../models/memory.ts';
import { recipeFor } from './recipes.ts';

export interface PlanParts {
  readonly version: string;
  readonly build: string;
  readonly args: readonly PlanArgument[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly listen: EnginePlan['listen'];
  readonly readinessPath: string;
  /** Time before and after the weights are read: imports, compilation, warm-up. */
  readonly startMsMax: number;
  readonly shutdown: EnginePlan['shutdown'];
  readonly parallel?: EnginePlan['parallel'];
}

/** A slow network disk; the stall timer ends a start that makes no progress long before. */
const READ_BYTES_PER_SECOND_MIN = 50e6;

export function makePlan(
  engine: Pick<Engine, 'id' | 'environments'>,
  input: EngineInput,
  verdict: VerdictOk,
  parts: PlanParts,
): EnginePlan {
  const { installation, model } = input;
  const isForeign = installation !== null && installation.recipe === null;
  const recipe = recipeFor(engine, input.machine, verdict.device);
  const loaded = [verdict.artifact, ...(verdict.draft === undefined ? [] : [verdict.draft])];
  const bytes = loaded.reduce((sum, artifact) => sum + (weightsBytes(artifact) ?? 0), 0);
  const readMs = (bytes / READ_BYTES_PER_SECOND_MIN) * 1000;
  return {
    engine: { id: engine.id, version: parts.version, build: parts.build },
    model: { ref: model.ref, name: model.name, artifact: verdict.artifact },
    service: engine.id,
    recipe: isForeign ? null : (recipe?.id ?? null),
    executable: isForeign ? installation.path : null,
    args: parts.args,
    environment: parts.environment ?? {},
    listen: parts.listen,
    readiness: { path: parts.readinessPath, deadlineMs: Math.ceil(parts.startMsMax + readMs) },
    shutdown: parts.shutdown,
    device: verdict.device,
    accelerators: verdict.accelerators,
    memoryBytes: {
      weights: verdict.memory.weightsBytes,
      kvCache: verdict.memory.kvCacheBytes,
      overhead: verdict.memory.overheadBytes,
    },
    contextTokens: verdict.contextTokens,
    slots: verdict.slots,
    parallel: parts.parallel ?? { tensor: 1, pipeline: 1 },
    draft:
      model.draft === undefined || verdict.draft === undefined
        ? null
        : { ref: model.draft.ref, name: model.draft.name, artifact: verdict.draft },
    ...(model.adapter === undefined ? {} : { adapter: model.adapter }),
  };
}
