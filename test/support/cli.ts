/**
 * Answers: what the real CLI does as a child process with a home of its own: the program as it is
 * shipped where CI has just built it, else the sources, which no build can lag behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const BUILT = `${REPOSITORY}dist/bin/cli.js`;
const isFreshlyBuilt = (process.env['CI'] ?? '') !== '' && existsSync(BUILT);
export const CLI_FILE: string = isFreshlyBuilt ? BUILT : `${REPOSITORY}src/cli.ts`;

/** The fake engine's modules, for `HYPERLLAMA_TEST_ENGINE`. */
export const FAKE_ENGINE: string = `${REPOSITORY}test/fixtures/fake-engine/engine.ts`;
export const FAKE_ENGINE_TCP: string = `${REPOSITORY}test/fixtures/fake-engine/engine-tcp.ts`;

export interface CliOptions {
  readonly home: string;
  /** Beyond a small, fixed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Faults of the fake engine, `token-delay=5`. */
  readonly faults?: readonly string[];
  readonly input?: string;
  /** Then it gets SIGKILL and `isLate` is true. */
  readonly deadlineMs: number;
  /** A program and its arguments in front of node: a shell that enters a cgroup, for one. */
  readonly prefix?: readonly string[];
}

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly isLate: boolean;
  readonly durationMs: number;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly result: Promise<CliResult>;
  /** What it has written so far. */
  readonly output: () => { readonly stdout: string; readonly stderr: string };
}

/** The child's environment: what the CLI may rely on, and nothing of the test's own. */
export function cliEnvironment(options: CliOptions): Record<string, string> {
  const keep = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'PYENV_ROOT', 'PIP_INDEX_URL', 'UV_INDEX_URL'];
  const env: Record<string, string> = {};
  for (const name of keep) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return {
    ...env,
    HYPERLLAMA_HOME: options.home,
    // Every home is new, and the program would be compiled anew for each.
    NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
    HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE,
    HYPERLLAMA_FAKE_FAULTS: (options.faults ?? []).join(' '),
    NO_COLOR: '1',
    ...options.env,
  };
}

export function startCli(args: readonly string[], options: CliOptions): RunningCli {
  const begun = performance.now();
  const [file = process.execPath, ...rest] = [
    ...(options.prefix ?? []),
    process.execPath,
    CLI_FILE,
    ...args,
  ];
  const child = spawn(file, rest, {
    env: cliEnvironment(options),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  if (options.input !== undefined) child.stdin?.end(options.input);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, options.deadlineMs);
  const result = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    // `exit`, not `close`: an orphan that holds the pipe must not hold up the verdict about it.
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      // What was written before the end arrives in the same turn or the next one.
      const grace = setTimeout(settle, 1000);
      child.once('close', () => {
        clearTimeout(grace);
        settle();
      });
      function settle(): void {
        const durationMs = performance.now() - begun;
        resolve({ code, signal, stdout, stderr, isLate, durationMs });
      }
    });
  });
  return { child, pid: child.pid ?? -1, result, output: () => ({ stdout, stderr }) };
}

export async function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return await startCli(args, options).result;
}
