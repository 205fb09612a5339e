/**
 * Answers: which files of a model lie in a folder, by kind. Subfolders are looked into one level
 * deep, because split GGUFs are published in one folder for each quantization.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf, fail } from '../base/errors.ts';

export interface FolderFiles {
  readonly hasConfig: boolean;
  /** `model.safetensors.index.json` or alike; `null` when the model is one file. */
  readonly shardIndex: string | null;
  readonly safetensors: readonly string[];
  /** First parts only, projectors aside. */
  readonly gguf: readonly string[];
  readonly projectors: readonly string[];
  /** Weights that are never read: pickle. */
  readonly pickles: readonly string[];
  readonly others: readonly string[];
}

/** A folder that is no model's (a home folder, say) may hold very many. */
const ENTRIES_MAX = 20_000;
const SUBFOLDERS_MAX = 64;

/** Absolute paths, sorted. @throws HL_MODEL_FORMAT_UNSUPPORTED when it cannot be listed. */
export async function listFolder(folder: string): Promise<FolderFiles> {
  const entries = await readFolder(folder);
  if (entries.length > ENTRIES_MAX) {
    fail('HL_MODEL_FORMAT_UNSUPPORTED', {
      path: folder,
      because: `it holds ${entries.length} entries, which no model's folder does`,
    });
  }
  const subfolders = entries.filter((entry) => entry.isDirectory()).slice(0, SUBFOLDERS_MAX);
  const below = await Promise.all(
    subfolders.map(async ({ name }) => {
      const inner = await readFolder(join(folder, name)).catch(() => []);
      return inner.map((entry) => join(folder, name, entry.name)).filter(isGguf);
    }),
  );
  const here = entries
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => join(folder, name));
  return sorted([...here, ...below.flat()].sort());
}

function sorted(paths: readonly string[]): FolderFiles {
  const ending = (pattern: RegExp): string[] => paths.filter((path) => pattern.test(path));
  const ggufs = paths
    .filter(isGguf)
    .filter((path) => !/-(?!00001)\d{5}-of-\d{5}\.gguf$/i.test(path));
  const [shardIndex = null] = ending(/\/(?:model|[^/]*)\.safetensors\.index\.json$/);
  return {
    hasConfig: ending(/\/config\.json$/).length > 0,
    shardIndex,
    safetensors: ending(/\.safetensors$/i),
    gguf: ggufs.filter((path) => !isProjector(path)),
    projectors: ggufs.filter(isProjector),
    pickles: ending(/\.(?:bin|pth?|ckpt|pkl|pickle)$/i),
    others: paths,
  };
}

function isProjector(path: string): boolean {
  return /(?:^|[^a-z])mmproj[^/]*$/i.test(path);
}

function isGguf(path: string): boolean {
  return /\.gguf$/i.test(path);
}

async function readFolder(
  folder: string,
): Promise<readonly { readonly name: string; isDirectory(): boolean }[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (thrown) {
    return fail(
      'HL_MODEL_FORMAT_UNSUPPORTED',
      { path: folder, because: `it cannot be listed (${errnoOf(thrown) ?? String(thrown)})` },
      { cause: thrown },
    );
  }
}
