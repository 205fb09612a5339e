/** Answers: how much room the disk has on which engines and models are kept. */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Disk } from '../machine.ts';
import { within } from './deadline.ts';
import { sourcesOf, type Sourced } from './sources.ts';

/** A network disk whose server is gone blocks for ever; a local one answers in microseconds. */
const STATFS_DEADLINE_MS = 2000;

export async function probeDisk(path: string): Promise<Sourced<Disk>> {
  const folder = nearestFolder(resolve(path));
  const sizes = await within(statfs(folder), STATFS_DEADLINE_MS);
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
