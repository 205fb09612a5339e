/**
 * Answers: how much room the disk has on which engines and models are kept. Synchronous like the
 * other probes: the first asynchronous file call of a process costs 3 ms, this one microseconds. A
 * network disk whose server is gone blocks either way, and so would everything after.
 */
import { dirname, resolve } from 'node:path';
import type { Disk } from '../machine.ts';
import { sourcesOf, type Sourced } from './files.ts';

// Why this is not an `import`: see `files.ts`.
const { existsSync, statfsSync } = process.getBuiltinModule('node:fs');

export function probeDisk(path: string): Sourced<Disk> {
  const folder = nearestFolder(resolve(path));
  const sizes = statfsOrNull(folder);
  const bytesTotal = sizes === null ? null : sizes.blocks * sizes.bsize;
  const bytesFree = sizes === null ? null : sizes.bavail * sizes.bsize;
  return {
    value: { path, bytesTotal, bytesFree },
    sources: sourcesOf('disk', { bytesTotal, bytesFree }, `statfs ${folder}`),
  };
}

/** The folder itself is often not made yet: its nearest parent lies on the same disk. */
function nearestFolder(path: string): string {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

function statfsOrNull(
  folder: string,
): { readonly blocks: number; readonly bavail: number; readonly bsize: number } | null {
  try {
    return statfsSync(folder);
  } catch {
    // Not permitted, or a file system without sizes.
    return null;
  }
}
