/**
 * Answers: how does the Python of a guard come to run? As a child that waits for its order on stdin.
 * The one that the last session took is started while a command still decides: most want it again.
 */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { listIfAny } from '../base/fs.ts';
import { errnoOf } from '../base/errors.ts';
import type { Context } from '../base/context.ts';
import type { Paths } from '../base/paths.ts';
import { readState, writeCache } from '../base/state.ts';
import { sessionsFolder } from './ledger.ts';

export interface GuardProgram {
  readonly python: string;
  /** Absolute path of the engine's `service.py`. */
  readonly service: string;
}

export interface GuardProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** How it ended without a word; `null` when it was killed, or did what it was asked. */
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
  const { stdin, stdout } = child;
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
    // Pipes of a child are sockets (`net.Socket`), which its type does not say.
    for (const pipe of [stdin, stdout] as readonly unknown[] as readonly Socket[]) {
      if (isHeld) pipe.ref();
      else pipe.unref();
    }
  };
  return { stdin, stdout, ended, hold };
}

/** A guard that was started before anybody knew what for. Without an order it ends with our stdin. */
export class SpareGuard implements Disposable {
  readonly #program: GuardProgram;
  readonly #startedAtMs = performance.now();
  #process: GuardProcess | null;

  constructor(program: GuardProgram, env: NodeJS.ProcessEnv) {
    this.#program = program;
    this.#process = spawnGuard(program, env);
    this.#process.hold(false);
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

/** `null` where nothing was started here yet, or where something runs, which is joined rather. */
export async function prepareGuard({
  paths,
  env,
}: Pick<Context, 'paths' | 'env'>): Promise<SpareGuard | null> {
  const program = await readState(programFile(paths));
  if (!isProgram(program) || listIfAny(sessionsFolder(paths)).length > 0) return null;
  return new SpareGuard(program, env);
}

/** What the next start is likely to need. */
export async function rememberGuard(paths: Paths, program: GuardProgram): Promise<void> {
  const known = await readState(programFile(paths));
  const { python, service } = program;
  if (isProgram(known) && known.python === python && known.service === service) return;
  await writeCache(programFile(paths), { python, service });
}

/** Not in the cache: what stands here is run, as what stands in the ledger is killed. */
function programFile(paths: Paths): string {
  return join(paths.state, 'guard.json');
}

function isProgram(value: unknown): value is GuardProgram {
  if (typeof value !== 'object' || value === null) return false;
  if (!('python' in value) || !('service' in value)) return false;
  return typeof value.python === 'string' && typeof value.service === 'string';
}
