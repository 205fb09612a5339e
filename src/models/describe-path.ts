/** Answers: which model a path on this machine holds: a GGUF file or a folder. */
import { resolve } from 'node:path';

import { cachedDescription } from './description-cache.ts';
import { ggufParts, readGgufFile } from './gguf-file.ts';
import { ggufModel } from './gguf-model.ts';
import type { ModelInfo } from './model.ts';

export async function describePath(
  path: string,
  options: { readonly cacheFolder: string | null },
): Promise<ModelInfo> {
  const absolute = resolve(path);
  const files = ggufParts(absolute);
  const model = await cachedDescription(options.cacheFolder, { subject: 'gguf', files }, async () =>
    ggufModel(await readGgufFile(absolute), absolute),
  );
  return model;
}
