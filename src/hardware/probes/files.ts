/**
 * Answers: what a small file of `/proc` or `/sys` says, and how a probe says where a value came
 * from. Reads are synchronous: these files live in the kernel's memory, and a synchronous read
 * costs a tenth of an asynchronous one.
 */

// Not an `import`: that touches every export of `node:fs`, also `promises`, whose loading costs
// 3 ms of a start that takes 25 (Node 24).
const { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } =
  process.getBuiltinModule('node:fs');

export type Sources = Readonly<Record<string, string>>;

/** One probe's part of the machine, with the origin of each value in it. */
export interface Sourced<T> {
  readonly value: T;
  readonly sources: Sources;
}

/** `{ 'cpu.model': source, … }` for each of `values` that is known. */
export function sourcesOf(
  prefix: string,
  values: Readonly<Record<string, unknown>>,
  source: string,
): Sources {
  const known = Object.entries(values).filter(([, value]) => value !== null && !isEmpty(value));
  return Object.fromEntries(known.map(([name]) => [`${prefix}.${name}`, source]));
}

/** The file tree of a machine; in tests it starts at a fixture folder instead of `/`. */
export interface MachineFiles {
  /** The whole text, or `null` when it is missing or may not be read. */
  readonly read: (path: string) => string | null;
  /** Like `read`, but at most `bytesMax` from the start. */
  readonly readStart: (path: string, bytesMax: number) => string | null;
  /** Names in a folder, sorted; empty when it cannot be listed. */
  readonly list: (path: string) => readonly string[];
  readonly exists: (path: string) => boolean;
}

export function machineFiles(root: string): MachineFiles {
  return {
    read: (path) => orNull(() => readFileSync(root + path, 'utf8')),
    readStart: (path, bytesMax) => orNull(() => readStart(root + path, bytesMax)),
    list: (path) => orNull(() => readdirSync(root + path).toSorted()) ?? [],
    exists: (path) => existsSync(root + path),
  };
}

/** The number a one-line file holds, decimal or `0x…`; `null` when it holds anything else. */
export function parseNumber(text: string | null): number | null {
  const word = text?.trim() ?? '';
  if (!/^(?:\d+|0x[0-9a-f]+)$/i.test(word)) return null;
  const value = Number(word);
  return Number.isFinite(value) ? value : null;
}

/** Largest CPU or node number believed; the kernel's own build limit is 8192. */
const LIST_NUMBER_MAX = 65_535;

/** The kernel's list format, `0-3,8`; empty for anything else. */
export function parseNumberList(text: string | null): readonly number[] {
  const numbers = new Set<number>();
  for (const part of (text ?? '').trim().split(',')) {
    const range = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (range === null) return [];
    const first = Number(range[1]);
    const last = Number(range[2] ?? range[1]);
    if (last > LIST_NUMBER_MAX) return [];
    for (let number = first; number <= last; number += 1) numbers.add(number);
  }
  return [...numbers];
}

function readStart(path: string, bytesMax: number): string {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(bytesMax);
    let length = 0;
    while (length < bytesMax) {
      const count = readSync(descriptor, buffer, length, bytesMax - length, null);
      if (count === 0) break;
      length += count;
    }
    return buffer.toString('utf8', 0, length);
  } finally {
    closeSync(descriptor);
  }
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    // Missing, not permitted, or a driver that answers EIO: all of them mean "not known".
    return null;
  }
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
