/**
 * Answers: Node's file functions, without what importing them costs: `import 'node:fs'` touches
 * every export, `promises` too, which is 3 ms of a start that takes 25 (Node 24).
 */
import type * as NodeFs from 'node:fs';
import { errnoOf } from './errors.ts';

export const fs: typeof NodeFs = process.getBuiltinModule('node:fs');

/** The whole text, or `null` when there is no such file. For small files of ours. */
export function readTextIfAny(path: string): string | null {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

/** Names in a folder; empty when there is no such folder. */
export function listIfAny(folder: string): readonly string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Changes when a program does; `null` when it is missing or not executable. */
export function programStamp(file: string): string | null {
  try {
    const { ino, size, mtimeMs, mode } = fs.statSync(file);
    return (mode & 0o111) === 0 ? null : `${ino}:${size}:${mtimeMs}`;
  } catch {
    return null;
  }
}

/** The first program of that name in the folders of a PATH; a name with a slash is a path. */
export function locateProgram(name: string, path: string): string | null {
  if (name.includes('/')) return programStamp(name) === null ? null : name;
  for (const folder of path.split(process.platform === 'win32' ? ';' : ':')) {
    if (folder !== '' && programStamp(`${folder}/${name}`) !== null) return `${folder}/${name}`;
  }
  return null;
}
