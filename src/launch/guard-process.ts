/**
 * Answers: how does the Python of a guard come to run? As a child that waits for its order on stdin.
 * The one that the last session took is started while a command still decides: most want it again.
 */
import type { Socket } from 'node:net';
import { isAbsolute, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Context } from '../base/context.ts';
import { listIfAny } from '../base/fs.ts';
import { errnoOf } from '../base/errors.ts';
import type { Paths } from '../base/paths.ts';
import { readState, writeState } from '../base/state.ts';
import { sessionsFolder } from './ledger.ts';

export interface GuardProgram {
  readonly python: string;
  /** Absolute path of the engine's `service.py`. */
  readonly service: string;
}

export interface GuardProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves at its end: how it failed, or `null` when it was killed or did what it was asked. */
  readonly ended: Promise<string | null>;
  /** Whether this process waits for it before it ends. */
  hold(isHeld: boolean): void;
}

/** A guard waits 10 s for its order (`serve.py`); half of it leaves time to write it. */
const WAIT_MAX_MS = 5_000;

export function spawnGuard(
  { python, service }: GuardProgram,
  env: NodeJS.ProcessEnv,
): GuardProcess {
  const { spawn } = process.getBuiltinModule('node:child_process');
  // The guard needs the standard library only: without `site` it starts a quarter sooner.
  const child = spawn(python, ['-I', '-S', service, 'serve'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    // Its own process group from the first instant: Ctrl-C in the terminal is for us alone.
    detached: true,
    env,
  });
  child.unref();
  // Without descriptors left, Node makes no streams, whatever the type says.
  const pipes = child as unknown as { readonly stdin?: Socket; readonly stdout?: Socket };
  const [stdin, stdout] = [pipes.stdin ?? closedPipe(), pipes.stdout ?? closedPipe()];
  const ended = new Promise<string | null>((resolve) => {
    child.once('error', (error) => {
      resolve(`could not be started (${errnoOf(error) ?? error.message})`);
      // An interpreter that is gone shows as the end of the link.
      stdout.destroy();
    });
    child.once('exit', (code) => {
      resolve(code === null || code === 0 ? null : `ended with exit code ${code}`);
    });
  });
  const hold = (isHeld: boolean): void => {
    for (const pipe of [stdin, stdout]) {
      if (isHeld) pipe.ref();
      else pipe.unref();
    }
  };
  return { stdin, stdout, ended, hold };
}

function closedPipe(): Socket {
  return new (process.getBuiltinModule('node:net').Socket)().destroy();
}

/** A guard that was started before anybody knew what for. Without an order it ends with our stdin. */
export class SpareGuard implements Disposable {
  readonly #program: GuardProgram;
  readonly #startedAtMs = performance.now();
  #process: GuardProcess | null;

  constructor(program: GuardProgram, env: NodeJS.ProcessEnv) {
    this.#program = program;
    const started = spawnGuard(program, env);
    started.hold(false);
    this.#process = started;
    void started.ended.then(() => {
      this.#process = null;
    });
  }

  /** Once, and only where it is of this very program and surely still waits. */
  take({ python, service }: GuardProgram): GuardProcess | null {
    const found = this.#process;
    const isSame = this.#program.python === python && this.#program.service === service;
    const isWaiting = performance.now() - this.#startedAtMs < WAIT_MAX_MS;
    if (found === null || !isSame || !isWaiting) return null;
    this.#process = null;
    found.hold(true);
    return found;
  }

  [Symbol.dispose](): void {
    this.#process?.stdin.destroy();
    this.#process?.stdout.destroy();
    this.#process = null;
  }
}

/**
 * `null` where nothing was started here yet, where something runs, which is joined rather, and
 * wherever it does not work: a start that really fails says why.
 */
export async function prepareGuard({
  paths,
  env,
}: Pick<Context, 'paths' | 'env'>): Promise<SpareGuard | null> {
  try {
    const program = await readState(programFile(paths));
    if (!isProgram(program) || listIfAny(sessionsFolder(paths)).length > 0) return null;
    return new SpareGuard(program, env);
  } catch {
    return null;
  }
}

/** What the next start is likely to need. What cannot be written is not known the next time. */
export async function rememberGuard(
  paths: Paths,
  { python, service }: GuardProgram,
): Promise<void> {
  try {
    const known = await readState(programFile(paths));
    if (isProgram(known) && known.python === python && known.service === service) return;
    await writeState(programFile(paths), { python, service });
  } catch {
    // Nothing is lost but time.
  }
}

/** Not in the cache: what stands here is run, as what stands in the ledger is killed. */
function programFile(paths: Paths): string {
  return join(paths.state, 'guard.json');
}

function isProgram(value: unknown): value is GuardProgram {
  if (typeof value !== 'object' || value === null) return false;
  if (!('python' in value) || !('service' in value)) return false;
  return [value.python, value.service].every(
    (path) => typeof path === 'string' && isAbsolute(path),
  );
}
