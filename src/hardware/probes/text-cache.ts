/** Answers: a text that was found out before under the same key. A cache that fails is no error. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface CachedTextPlace {
  /** `null` = keep nothing. */
  readonly folder: string | null;
  readonly name: string;
  /** Everything the text depends on; with an unknown part nothing is kept. */
  readonly key: readonly (string | null)[];
}

/** `find` is asked when the key has changed; a `null` from it is not kept. */
export async function cachedText(
  place: CachedTextPlace,
  find: () => Promise<string | null>,
): Promise<string | null> {
  if (place.folder === null || place.key.includes(null)) return await find();
  const file = join(place.folder, place.name);
  const key = createHash('sha256').update(JSON.stringify(place.key)).digest('hex');
  const kept = await readKept(file, key);
  if (kept !== null) return kept;
  const text = await find();
  if (text !== null) await keep(file, place.folder, JSON.stringify({ key, text }));
  return text;
}

async function readKept(file: string, key: string): Promise<string | null> {
  try {
    const entry: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof entry !== 'object' || entry === null) return null;
    if (!('key' in entry) || !('text' in entry) || entry.key !== key) return null;
    return typeof entry.text === 'string' ? entry.text : null;
  } catch {
    // No file yet, or one that a killed process left half written: ask again.
    return null;
  }
}

async function keep(file: string, folder: string, content: string): Promise<void> {
  const staging = `${file}.${process.pid}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(staging, content);
    await rename(staging, file);
  } catch {
    // A read-only disk costs the next start one more question.
  }
}
