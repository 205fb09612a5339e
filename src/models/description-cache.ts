/**
 * Answers: what a model's files were found to be last time, as long as they have not changed. A
 * file is the same when device, inode, size and modification time are.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { readState, writeCache } from '../base/state.ts';
import { MODEL_SCHEMA, type ModelInfo } from './model.ts';

/** Raised when the readers learn to see more, so that older descriptions are made anew. */
const READERS_VERSION = 1;

interface Entry {
  readonly schema: typeof MODEL_SCHEMA;
  readonly model: ModelInfo;
}

/**
 * The description under `files`' identity from `cacheFolder`, else what `describe` finds, which is
 * then kept. `subject` tells apart descriptions of the same files.
 */
export async function cachedDescription(
  cacheFolder: string | null,
  what: { readonly subject: string; readonly files: readonly string[] },
  describe: () => Promise<ModelInfo>,
): Promise<ModelInfo> {
  if (cacheFolder === null) return await describe();
  const identity = await filesIdentity(what.files);
  if (identity === null) return await describe();
  const { createHash } = process.getBuiltinModule('node:crypto');
  const digest = createHash('sha256')
    .update(JSON.stringify([READERS_VERSION, what.subject, identity]))
    .digest('hex');
  const path = join(cacheFolder, 'models', `${digest.slice(0, 32)}.json`);
  const known = await readState(path).catch(() => null);
  if (isEntry(known)) return known.model;
  const model = await describe();
  await writeCache(path, { schema: MODEL_SCHEMA, model } satisfies Entry);
  return model;
}

async function filesIdentity(files: readonly string[]): Promise<readonly string[] | null> {
  const stats = await Promise.all(
    files.map(async (file) => await stat(file, { bigint: true }).catch(() => null)),
  );
  const known = stats.filter((entry) => entry !== null);
  if (known.length !== files.length) return null;
  return known.map(({ dev, ino, size, mtimeNs }) => [dev, ino, size, mtimeNs].join(':'));
}

/** Only our own writing gets here, whole or not at all; the schema tells versions apart. */
function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null || !('schema' in value)) return false;
  return value.schema === MODEL_SCHEMA && 'model' in value && typeof value.model === 'object';
}
