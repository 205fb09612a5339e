/**
 * Answers: the same engine build without us: started by one command, no guard, no plan. Either by
 * its own API with hand-picked settings, or with exactly our plan's flags.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Address } from '../../src/base/http.ts';
import type { Choice } from '../../src/pipeline.ts';
import { environmentPython } from '../../src/launch/environment.ts';
import { servicesFolder } from '../../src/base/paths.ts';
import { oneToken } from './speed.ts';

export type Value = number | boolean | string | readonly string[] | { readonly enum: string };
/** Attributes of the build's own parameters, dots descend. */
export type Settings = Readonly<Record<string, Value>>;

/** What the engine finds in its environment besides the caller's. */
export type Variables = Readonly<Record<string, string>>;

export interface Direct {
  readonly address: Address;
  /** Spawn to the engine's own ready line, and what the first token took after it. */
  readonly readyLineMs: number;
  readonly firstTokenMs: number;
  stop(): Promise<void>;
}

/** The demo model loads in half a second; a large one on a slow disk in minutes. */
const READY_DEADLINE_MS = 300_000;
const LOG_KEPT = 4096;
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The command with our plan's own flags: what our guard starts, without the guard. */
export function planCommand(choice: Choice, socket: string): readonly string[] {
  const service = join(servicesFolder(), choice.plan.service, 'service.py');
  return [pythonOf(choice), service, 'host', '--', ...planFlags(choice, socket)];
}

/** Those of the plan, for any program that knows them. */
export function planFlags({ plan }: Choice, socket: string): readonly string[] {
  return plan.args.flatMap(({ flag, value }) =>
    value === null
      ? [flag]
      : [flag, value.replace('{socket}', socket).replace('{served-name}', plan.model.name)],
  );
}

/** The command with hand-picked settings, by the build's own API. */
export function handCommand(choice: Choice, socket: string, settings: Settings): readonly string[] {
  const host = fileURLToPath(new URL('direct_host.py', import.meta.url));
  const all = { 'model.path': modelPathOf(choice), hostnames: [socket], ...settings };
  return [pythonOf(choice), host, JSON.stringify(all)];
}

/** Starts it and proves one token. @throws Error with the end of its log */
export async function startDirect(
  choice: Choice,
  command: readonly string[],
  socket: string,
  variables: Variables = {},
): Promise<Direct> {
  // The build ends without removing its socket, and does not take one that is there.
  rmSync(socket, { force: true });
  const [file = '', ...args] = command;
  const begun = performance.now();
  // Those of the plan only where they are asked for, whatever the caller's shell has set.
  const env = { ...process.env };
  for (const name of Object.keys(choice.plan.environment)) delete env[name];
  const child = spawn(file, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...env, ...variables },
  });
  running.add(child);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      running.delete(child);
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  };
  try {
    const readyLineMs = (await readyLine(child, choice)) - begun;
    const address: Address = { kind: 'unix', path: socket };
    const proofBegun = performance.now();
    await oneToken({ address, choice });
    return { address, readyLineMs, firstTokenMs: performance.now() - proofBegun, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Monotonic time of the line in which the engine says that it is ready. */
async function readyLine(child: ChildProcess, { decision }: Choice): Promise<number> {
  return await new Promise((resolve, reject) => {
    let text = '';
    let rest = '';
    const give = (because: string): void =>
      reject(new Error(`${because}\n${text.slice(-LOG_KEPT)}`));
    const timer = setTimeout(() => give('no ready line in time'), READY_DEADLINE_MS);
    child.once('error', (error) => give(error.message));
    child.once('exit', (code) => give(`ended with ${code ?? 'a signal'} before it was ready`));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-2 * LOG_KEPT);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (!lines.some((line) => decision.engine.readLog(line)?.kind === 'ready')) return;
      clearTimeout(timer);
      resolve(performance.now());
    });
  });
}

function pythonOf({ installation }: Choice): string {
  if (installation === null) throw new Error('the engine is not installed');
  return environmentPython(installation);
}

function modelPathOf({ plan }: Choice): string {
  const { path } = plan.model.artifact;
  if (path === null) throw new Error('the model is not on this machine');
  return path;
}
