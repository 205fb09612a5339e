/** Answers: can files be kept in this folder? Makes it; what is in the way is an error in words. */
import { dirname } from 'node:path';
import { errnoOf, fail } from './errors.ts';
import { fs } from './fs.ts';

/** Makes `folder`, 0700, where it is missing. @throws HL_STATE_UNWRITABLE, or a full disk's error */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await fs.promises.mkdir(folder, { recursive: true, mode: 0o700 });
    await fs.promises.access(folder, fs.constants.W_OK);
  } catch (error) {
    const first = errnoOf(error);
    if (first === 'ENOSPC' || first === 'EDQUOT') throw error;
    const { path, code } = await obstacle(folder, first);
    const problem = PROBLEMS[code ?? ''] ?? (error instanceof Error ? error.message : 'unknown');
    return fail('HL_STATE_UNWRITABLE', { path, problem });
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'it is not a folder',
  EEXIST: 'it is not a folder',
};

/**
 * The nearest part of the path that is there, and what is wrong with it: on a read-only file system
 * Node's recursive `mkdir` says no more than ENOENT.
 */
async function obstacle(
  folder: string,
  first: string | null,
): Promise<{ readonly path: string; readonly code: string | null }> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      await fs.promises.access(path, fs.constants.W_OK);
      return { path, code: first };
    } catch (error) {
      const code = errnoOf(error);
      const isAbsent = code === 'ENOENT' || code === 'ENOTDIR';
      if (!isAbsent || path === dirname(path)) return { path, code };
    }
  }
}
