/**
 * Answers: which Python runs the services. Resolved to `sys.executable` once (version shims such as
 * pyenv's cost 100 ms a call) and remembered until the file behind it changes.
 */
import { isAbsolute, join } from 'node:path';
import { fail } from './errors.ts';
import { locateProgram, programStamp } from './fs.ts';
import { readState, writeCache } from './state.ts';

export interface Python {
  /** Absolute path of the interpreter itself. */
  readonly executable: string;
  /** `3.11.7` */
  readonly version: string;
}

/** The services and their guard need 3.10; an engine may ask for more. */
export const PYTHON_MIN = '3.10';

/** Versions that will do, the ends included: `3.12` as the end holds all of 3.12. */
export interface PythonRange {
  readonly pythonMin: string;
  /** Absent: any newer one. */
  readonly pythonMax?: string;
}

/** A cold shim on a slow disk; a working interpreter answers in 20 ms. */
const PYTHON_DEADLINE_MS = 15_000;

const CANDIDATES: readonly string[] = [
  'python3',
  'python3.14',
  'python3.13',
  'python3.12',
  'python3.11',
  'python3.10',
  'python',
];

export interface FindPythonOptions {
  /** From `--python` or the configuration; then nothing else is tried. */
  readonly asked: string | null;
  /** From `PYTHON_MIN` on when left out. */
  readonly range?: PythonRange | undefined;
  readonly cacheFolder: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * @throws HL_PYTHON_MISSING when nothing answers, HL_PYTHON_TOO_OLD and HL_PYTHON_TOO_NEW when only
 *   other versions do.
 */
export async function findPython(options: FindPythonOptions): Promise<Python> {
  const path = options.env['PATH'] ?? '';
  const { pythonMin, pythonMax }: PythonRange = options.range ?? { pythonMin: PYTHON_MIN };
  const range = { needed: pythonMin, ...(pythonMax === undefined ? {} : { newest: pythonMax }) };
  const key = JSON.stringify([options.asked, path, range]);
  const cacheFile = join(options.cacheFolder, 'python.json');
  const cached = (await readState(cacheFile)) as CachedPython | null;
  if (cached?.key === key && programStamp(cached.python.executable) === cached.stamp) {
    return cached.python;
  }
  const tried: string[] = [];
  let unfit: (Python & { name: string }) | null = null;
  for (const name of options.asked === null ? CANDIDATES : [options.asked]) {
    const file = locateProgram(name, path);
    if (file === null) {
      if (options.asked !== null || name === 'python3') tried.push(`\`${name}\``);
      continue;
    }
    const python = await askPython(file, options.env);
    if (python === null) {
      tried.push(`\`${file}\` (does not run)`);
    } else if (isTooOld(python, pythonMin) || isTooNew(python, pythonMax)) {
      tried.push(`\`${file}\` (${python.version})`);
      unfit ??= { ...python, name: file };
    } else {
      const stamp = programStamp(python.executable);
      await writeCache(cacheFile, { key, python, stamp } satisfies CachedPython);
      return python;
    }
  }
  if (unfit === null) return fail('HL_PYTHON_MISSING', { tried, ...range });
  const code = isTooOld(unfit, pythonMin) ? 'HL_PYTHON_TOO_OLD' : 'HL_PYTHON_TOO_NEW';
  return fail(code, { python: unfit.name, version: unfit.version, ...range });
}

function isTooOld({ version }: Python, pythonMin: string): boolean {
  return compareVersions(version, pythonMin) < 0;
}

function isTooNew({ version }: Python, pythonMax: string | undefined): boolean {
  if (pythonMax === undefined) return false;
  const parts = pythonMax.split('.').length;
  return compareVersions(version.split('.').slice(0, parts).join('.'), pythonMax) > 0;
}

/** Compares dotted numbers: negative when `a` is older. Anything not a number ends a part. */
export function compareVersions(a: string, b: string): number {
  const parts = (text: string): readonly number[] =>
    text.split(/[.+-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

interface CachedPython {
  readonly key: string;
  readonly python: Python;
  readonly stamp: string | null;
}

async function askPython(file: string, env: NodeJS.ProcessEnv): Promise<Python | null> {
  const script = 'import sys; print(sys.executable); print("%d.%d.%d" % sys.version_info[:3])';
  const { runCommand } = await import('./exec.ts');
  const result = await runCommand(file, ['-I', '-S', '-c', script], {
    deadlineMs: PYTHON_DEADLINE_MS,
    env,
  });
  if (result.kind !== 'exited' || result.code !== 0) return null;
  const [executable, version] = result.stdout.trim().split('\n');
  if (executable === undefined || version === undefined || !isAbsolute(executable)) return null;
  return { executable, version };
}
