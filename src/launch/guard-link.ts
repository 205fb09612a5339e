/**
 * Answers: how we talk with a guard: JSON lines, the same over the starter's pipes and over the
 * control socket (`python-services/README.md`). An open link is a lease on the session.
 */
import type { Readable, Writable } from 'node:stream';
import { errnoOf, HyperLlamaError } from '../base/errors.ts';
import type { Address } from '../base/http.ts';

export type GuardEvent =
  | SessionEvent
  | { readonly event: 'busy' }
  | { readonly event: 'held'; readonly leases: number }
  | { readonly event: 'spawned'; readonly pid: number; readonly startTime: number }
  | { readonly event: 'log'; readonly line: string }
  | { readonly event: 'alive'; readonly quietMs: number; readonly rssBytes: number | null }
  | { readonly event: 'listening' }
  | { readonly event: 'squatted'; readonly because?: string }
  | { readonly event: 'ready'; readonly startMs: number }
  | ExitedEvent
  | { readonly event: 'failed'; readonly code: string; readonly because: string };

export interface SessionEvent {
  readonly event: 'session';
  readonly state: 'starting' | 'ready' | 'stopping';
  readonly guardPid: number;
  readonly enginePid: number | null;
  readonly address: Address;
  readonly isListening: boolean;
  readonly startMs: number | null;
  readonly ageMs: number;
  readonly leases: number;
  readonly keepAliveMs: number;
  readonly about: unknown;
  readonly tail: readonly string[];
}

export interface ExitedEvent {
  readonly event: 'exited';
  readonly code: number | null;
  readonly signal: string | null;
  readonly isOom: boolean;
  readonly isWanted: boolean;
  readonly tail: readonly string[];
}

export type GuardCommand =
  | { readonly command: 'ready' | 'stop' | 'stop-if-idle' | 'release' | 'status' | 'look' }
  | { readonly command: 'keep-alive'; readonly ms: number };

/** A guard's longest line is a `session` event with its plan and 20 log lines of 8 KiB. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;

export class GuardLink {
  readonly #readable: Readable;
  readonly #writable: Writable;
  readonly #listeners = new Set<(event: GuardEvent) => void>();
  /** Events before the first listener: the link is made before anybody can listen. */
  #early: GuardEvent[] = [];
  #rest = '';
  /** Resolves when the guard has closed its side, or is gone. */
  readonly closed: Promise<void>;
  isClosed = false;

  constructor(readable: Readable, writable: Writable) {
    this.#readable = readable;
    this.#writable = writable;
    readable.setEncoding('utf8');
    readable.on('data', (text: string) => this.#feed(text));
    // A broken pipe is the end of the link, which `closed` tells.
    writable.on('error', () => undefined);
    readable.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      const close = (): void => {
        this.isClosed = true;
        resolve();
      };
      // A guard that was started early may have ended before anybody listened.
      if (readable.closed) close();
      else readable.once('close', close);
    });
  }

  /** Calls `listener` for each event from now on, those not yet heard by anybody first. */
  listen(listener: (event: GuardEvent) => void): () => void {
    this.#listeners.add(listener);
    const early = this.#early;
    this.#early = [];
    for (const event of early) listener(event);
    return () => this.#listeners.delete(listener);
  }

  send(command: GuardCommand): void {
    if (!this.#writable.destroyed) this.#writable.write(`${JSON.stringify(command)}\n`);
  }

  /** Ends the lease: the guard sees the end of our side. */
  end(): void {
    this.#writable.end();
  }

  /** Lets go of a guard that does not answer: nothing of the link keeps this process alive. */
  destroy(): void {
    this.#writable.destroy();
    this.#readable.destroy();
  }

  #feed(text: string): void {
    this.#rest += text;
    for (;;) {
      const end = this.#rest.indexOf('\n');
      if (end === -1) break;
      const event = parseEvent(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end + 1);
      if (event === null) continue;
      if (this.#listeners.size === 0) this.#early.push(event);
      for (const listener of this.#listeners) listener(event);
    }
    if (this.#rest.length > LINE_BYTES_MAX) this.#rest = '';
  }
}

/** A link to the guard behind `controlPath`, or `null` when none listens there. */
export async function connectGuard(controlPath: string): Promise<GuardLink | null> {
  return await new Promise((resolve, reject) => {
    const socket = process.getBuiltinModule('node:net').connect({ path: controlPath });
    socket.once('connect', () => resolve(new GuardLink(socket, socket)));
    socket.once('error', (error) => {
      const code = errnoOf(error);
      const isAbsent =
        code === 'ENOENT' ||
        code === 'ECONNREFUSED' ||
        code === 'ENOTSOCK' ||
        code === 'ECONNRESET';
      if (isAbsent) resolve(null);
      else reject(error);
    });
  });
}

/** What the guard itself could not do: to make its folder, or to start the engine. */
export function guardFailure(
  { code, because }: Extract<GuardEvent, { event: 'failed' }>,
  context: { readonly engine: string; readonly phase: string; readonly stateFolder: string },
): HyperLlamaError {
  const { engine, phase, stateFolder } = context;
  const path = /'(\/[^']+)'/.exec(because)?.[1] ?? stateFolder;
  // Numbers of the kernel as Python prints them: ENOSPC, EDQUOT; EPERM, EACCES, EROFS.
  if (/\[Errno (?:28|122)\]/.test(because)) {
    return new HyperLlamaError('HL_DISK_FULL', { path, bytesNeeded: null, bytesFree: null });
  }
  if (code === 'HL_STATE_UNWRITABLE' || /\[Errno (?:1|13|30)\]/.test(because)) {
    return new HyperLlamaError('HL_STATE_UNWRITABLE', { path, problem: because });
  }
  return new HyperLlamaError('HL_ENGINE_EXITED', { engine, how: because, phase });
}

function parseEvent(line: string): GuardEvent | null {
  try {
    const value = JSON.parse(line) as unknown;
    // The guard is ours and of the same release: an object with `event` is a declared shape.
    return value !== null && typeof value === 'object' && 'event' in value
      ? (value as GuardEvent)
      : null;
  } catch {
    return null;
  }
}
