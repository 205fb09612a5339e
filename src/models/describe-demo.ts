/** Answers: which files of the demo model are on this machine, and what can be had without them. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { fail } from '../base/errors.ts';
import { DEMO, DEMO_MODEL, madeArtifact } from './catalog-demo.ts';
import type { Artifact, ModelInfo } from './model.ts';
import { selectVariant, variantName } from './variants.ts';

/** The demo model: known in full, with the paths of those of its files that are here. */
export async function describeDemo(variant: string | null, dataFolder: string): Promise<ModelInfo> {
  const model = DEMO_MODEL;
  const artifacts = selectVariant(model.artifacts, variant);
  if (artifacts.length === 0) {
    const nearest = model.artifacts.map((artifact) => `${model.ref}:${variantName(artifact)}`);
    fail('HL_MODEL_NOT_FOUND', {
      ref: `${model.ref}:${variant ?? ''}`,
      nearest: [...new Set(nearest)],
    });
  }
  return {
    ...model,
    artifacts: await Promise.all(
      artifacts.map(async (artifact) => {
        const path = join(dataFolder, madeArtifact(artifact)?.file ?? DEMO.file);
        return { ...artifact, path: (await isHere(path, artifact)) ? path : null };
      }),
    ),
  };
}

/**
 * What was fetched was checked against its sha256 before it was put there, so another size is
 * another file. What was made appeared whole; a folder of weights without one of its two files is
 * made again.
 */
async function isHere(path: string, { origin, format, bytesOnDisk }: Artifact): Promise<boolean> {
  if (origin !== 'conversion') return (await fileSize(path)) === bytesOnDisk;
  const names = format === 'gguf' ? [''] : ['config.json', 'model.safetensors'];
  const sizes = await Promise.all(names.map(async (name) => await fileSize(join(path, name))));
  return !sizes.includes(null);
}

async function fileSize(path: string): Promise<number | null> {
  const stats = await stat(path).catch(() => null);
  return stats?.isFile() === true ? stats.size : null;
}
