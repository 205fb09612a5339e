/**
 * Answers: how small facts survive a kill at any moment: temporary file, fsync, rename. A reader
 * sees the old value or the new one, never half of either.
 */
import { dirname } from 'node:path';
import { fs, readTextIfAny } from './fs.ts';

/** With the pid, a name no other write has; `wx` proves it. */
let writes = 0;

/** Writes `value` as JSON, 0600. Resolved means that it survives a crash of the machine. */
export async function writeState(path: string, value: unknown): Promise<void> {
  const { mkdir, open, rename, rm } = fs.promises;
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  writes += 1;
  const temporary = `${path}.${process.pid}.${writes}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(value)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** The value, or `null` when there is none or it is not JSON (a file of somebody else's making). */
export async function readState(path: string): Promise<unknown> {
  const text = readTextIfAny(path);
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** A cache may be lost or unwritable: then the next run finds it out again. */
export async function writeCache(path: string, value: unknown): Promise<void> {
  try {
    await writeState(path, value);
  } catch {
    // Nothing is lost but time.
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.promises.open(folder, 'r');
  try {
    await handle.sync();
  } catch {
    // Some file systems cannot sync a folder; the rename is atomic all the same.
  } finally {
    await handle.close();
  }
}
