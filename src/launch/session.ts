/**
 * Answers: what a running engine is to us: an address to talk to and a lease that keeps it alive.
 * `await using` ends the lease; the guard ends the engine when the last lease is gone.
 */
import type { Service, LaunchPlan } from '../engines/engine.ts';
import type { Address } from '../base/http.ts';
import type { ExitedEvent, GuardLink } from './guard-link.ts';

export interface SessionFacts {
  readonly key: string;
  readonly engine: Service;
  readonly plan: LaunchPlan;
  readonly address: Address;
  /** Spawn to ready; 0 when somebody else had started it. */
  readonly startMs: number;
  /** Parts of the start, for `bench`; `null` when attached. */
  readonly loadMs: number | null;
  readonly isAttached: boolean;
  readonly logFile: string;
}

/** The guard ends a tree within the plan's grace; this much more for the guard itself. */
const END_SPARE_MS = 5_000;
/** A guard answers in a millisecond; one under heavy load in more. */
const ANSWER_DEADLINE_MS = 2_000;

export class Session implements AsyncDisposable {
  readonly facts: SessionFacts;
  /** `null` = a server that somebody else runs: nothing of it is ours to hold or to end. */
  readonly #link: GuardLink | null;
  /** Private, because a key may be in there: no print of the session shows them. */
  readonly #headers: Readonly<Record<string, string>>;
  #exit: ExitedEvent | null = null;
  /** By itself; also where `#exit` says nothing because its guard vanished. */
  #hasEnded = false;
  #keepAliveMs = 0;
  #isReleased = false;
  readonly #onExit = new Set<(exit: ExitedEvent | null) => void>();

  constructor(
    facts: SessionFacts,
    link: GuardLink | null,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.facts = facts;
    this.#link = link;
    this.#headers = headers;
    link?.listen((event) => {
      if (event.event === 'exited') this.#end(event);
    });
    void link?.closed.then(() => {
      // A guard that vanished without a word took the engine with it.
      if (!this.#hasEnded && !this.#isReleased) this.#end(null);
    });
  }

  #end(exit: ExitedEvent | null): void {
    this.#hasEnded = true;
    this.#exit = exit;
    for (const listener of this.#onExit) listener(exit);
  }

  /** What every request has to carry. */
  requestHeaders(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  /** Words of the server without the key that we sent, should it repeat it. */
  withoutKey(text: string): string {
    const key = this.#headers['authorization']?.replace(/^Bearer /, '');
    return key === undefined ? text : text.replaceAll(key, '[redacted]');
  }

  /** How the engine ended, when it did; `null` while it runs or when nobody knows. */
  get exit(): ExitedEvent | null {
    return this.#exit;
  }

  /**
   * Calls `listener` when the engine ends by itself, or in a moment when it has. Returns how to stop
   * listening.
   */
  whenExited(listener: (exit: ExitedEvent | null) => void): () => void {
    this.#onExit.add(listener);
    if (this.#hasEnded) {
      queueMicrotask(() => {
        if (this.#onExit.has(listener)) listener(this.#exit);
      });
    }
    return () => this.#onExit.delete(listener);
  }

  /** Waits up to `deadlineMs` for the guard's word on how the engine ended. */
  async exitWithin(deadlineMs: number): Promise<ExitedEvent | null> {
    const link = this.#link;
    if (link === null) return null;
    await withDeadline(
      new Promise<void>((resolve) => {
        this.whenExited(() => resolve());
        void link.closed.then(resolve);
      }),
      deadlineMs,
    );
    return this.#exit;
  }

  /** How long the engine stays by its guard's answer; 0 when nobody asked it. */
  get keepAliveMs(): number {
    return this.#keepAliveMs;
  }

  /** The engine stays so long when its last user has gone, or longer where another asked for more. */
  async keepAlive(ms: number): Promise<void> {
    const link = this.#link;
    if (link === null) return;
    const answered = Promise.withResolvers<void>();
    const stopListening = link.listen((event) => {
      if (event.event !== 'session') return;
      this.#keepAliveMs = event.keepAliveMs;
      answered.resolve();
    });
    link.send({ command: 'keep-alive', ms });
    link.send({ command: 'status' });
    await withDeadline(Promise.race([answered.promise, link.closed]), ANSWER_DEADLINE_MS);
    stopListening();
  }

  /** Ends our lease and waits until the guard has let go: the engine is gone, or others hold it. */
  async release(): Promise<void> {
    if (this.#isReleased || this.#link === null) return;
    this.#isReleased = true;
    this.#link.send({ command: 'release' });
    await withDeadline(this.#link.closed, this.facts.plan.shutdown.graceMs + END_SPARE_MS);
    this.#link.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** Resolves when `promise` does or the time is up, whichever comes first. */
export async function withDeadline(promise: Promise<unknown>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
