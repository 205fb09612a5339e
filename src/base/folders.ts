/** Answers: can files be kept in this folder? Makes it; what is in the way is an error in words. */
import { dirname } from 'node:path';
import { errnoOf, fail } from './errors.ts';
import { fs } from './fs.ts';

/** Makes `folder`, 0700, where it is missing. @throws HL_STATE_UNWRITABLE, or a full disk's error */
export async function makeFolder(folder: string): Promise<void> {
  await make(folder);
  await explained(folder, async () => await fs.promises.access(folder, fs.constants.W_OK));
}

/**
 * Level by level: on a read-only file system Node's recursive `mkdir` says no more than ENOENT, and
 * under `/proc` it never returns (Node 24.21).
 */
async function make(folder: string): Promise<void> {
  await explained(folder, async () => {
    try {
      await makeOne(folder);
    } catch (error) {
      const code = errnoOf(error);
      const isParentMissing = code === 'ENOENT' || code === 'ENOTDIR';
      if (!isParentMissing || folder === dirname(folder)) throw error;
      await make(dirname(folder));
      await makeOne(folder);
    }
  });
}

/** A folder that is there is as good as made: several commands may be making it at once. */
async function makeOne(folder: string): Promise<void> {
  try {
    await fs.promises.mkdir(folder, 0o700);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' || !(await fs.promises.stat(folder)).isDirectory()) throw error;
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'it is not a folder',
  EEXIST: 'it is not a folder',
  ENOENT: 'no folder can be made there',
};

async function explained(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const problem = PROBLEMS[errnoOf(error) ?? ''];
    if (problem === undefined) throw error;
    fail('HL_STATE_UNWRITABLE', { path, problem });
  }
}
