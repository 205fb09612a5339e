/**
 * Answers: what a deployment's clients notice when one of its engines is killed: a bounded number
 * of requests, some of them under way at the kill, each with its fate. An `error` event counts as a
 * failure although the stream goes on to `[DONE]`: routers were seen to send both.
 */
import { postStream, StreamBroken, type Address } from '../base/http.ts';
import { SseReader } from '../base/sse.ts';
import { readErrorBody, readParts } from '../engines/parts.ts';
import type { AdaptedRequest } from '../engines/request.ts';

export interface FailoverOptions {
  readonly address: Address;
  readonly requests: number;
  /** Requests in flight at once, ≥1. */
  readonly concurrency: number;
  readonly requestFor: (index: number) => AdaptedRequest;
  /**
   * Kills the engine; called once, when a quarter has been answered, and of the next ones some have
   * their first token. `null` = no kill.
   */
  readonly kill: (() => void) | null;
  readonly signal: AbortSignal;
}

export interface Failover {
  readonly requests: number;
  readonly answered: number;
  /** The promise is 0: a front sends these to another engine. */
  readonly failedBeforeFirstToken: number;
  /** Their text had begun on the killed engine: some fronts can go on elsewhere, some cannot. */
  readonly failedAfterFirstToken: number;
  /** In flight at the moment of the kill (0 = it never came), and those with a first token. */
  readonly inFlightAtKill: number;
  readonly begunAtKill: number;
  /** Why requests failed, each reason once. */
  readonly reasons: readonly string[];
}

/** What the slowest machine needs for a short prompt behind a queue of others. */
const FIRST_BYTE_DEADLINE_MS = 300_000;
const SILENCE_DEADLINE_MS = 60_000;
/** When the kill comes: the engines are warm, and most of the requests are still to be sent. */
const KILL_AFTER_SHARE = 0.25;
/** Of those in flight, so many are in mid-answer: the others still wait. */
const BEGUN_SHARE_MIN = 0.25;

/** Never throws for a failed request. */
export async function runFailover(options: FailoverOptions): Promise<Failover> {
  const run = new FailoverRun(options);
  await Promise.all(Array.from({ length: options.concurrency }, async () => await run.lane()));
  return run.result();
}

interface Request {
  hasToken: boolean;
}

class FailoverRun {
  readonly #options: FailoverOptions;
  readonly #inFlight = new Set<Request>();
  readonly #reasons = new Set<string>();
  readonly #counts = { answered: 0, before: 0, after: 0, inFlightAtKill: 0, begunAtKill: 0 };
  #next = 0;
  #hasKilled = false;

  constructor(options: FailoverOptions) {
    this.#options = options;
  }

  /** One request after the other until there is none left. */
  async lane(): Promise<void> {
    const { requests, requestFor, signal } = this.#options;
    while (this.#next < requests && !signal.aborted) {
      const request: Request = { hasToken: false };
      const asked = requestFor(this.#next);
      this.#next += 1;
      this.#inFlight.add(request);
      const problem = await this.#send(asked, request);
      this.#inFlight.delete(request);
      if (problem === null) this.#counts.answered += 1;
      else if (!signal.aborted) {
        this.#counts[request.hasToken ? 'after' : 'before'] += 1;
        this.#reasons.add(problem);
      }
    }
  }

  result(): Failover {
    const { answered, before, after, inFlightAtKill, begunAtKill } = this.#counts;
    return {
      requests: answered + before + after,
      answered,
      failedBeforeFirstToken: before,
      failedAfterFirstToken: after,
      inFlightAtKill,
      begunAtKill,
      reasons: [...this.#reasons],
    };
  }

  /** Why it failed; `null` = answered to its end. */
  async #send({ path, body }: AdaptedRequest, request: Request): Promise<string | null> {
    let hasFinished = false;
    let problem: string | null = null;
    const reader = new SseReader((data) => {
      for (const part of readParts(data)) {
        if (part.kind === 'finish') hasFinished = true;
        if (part.kind === 'error') problem ??= part.message;
        if (part.kind !== 'text' && part.kind !== 'reasoning') continue;
        request.hasToken = true;
        // From inside an answer, so that at least this one is under way.
        this.#killWhenDue();
      }
    });
    try {
      const end = await postStream(this.#options.address, {
        path,
        body,
        signal: this.#options.signal,
        firstByteDeadlineMs: FIRST_BYTE_DEADLINE_MS,
        silenceDeadlineMs: SILENCE_DEADLINE_MS,
        onChunk: (chunk) => reader.feed(chunk),
      });
      reader.end();
      if (end.errorText !== null) {
        return `status ${end.status}: ${readErrorBody(end.errorText)?.message ?? end.errorText.slice(0, 200)}`;
      }
    } catch (error) {
      if (error instanceof StreamBroken) return `${error.why}: ${error.message}`;
      throw error;
    }
    return problem ?? (hasFinished ? null : 'the stream ended without a finish reason');
  }

  #killWhenDue(): void {
    const { requests, concurrency, kill } = this.#options;
    const isWarm = this.#counts.answered >= Math.floor(requests * KILL_AFTER_SHARE);
    if (kill === null || this.#hasKilled || !isWarm || this.#inFlight.size < concurrency) return;
    const begun = [...this.#inFlight].filter(({ hasToken }) => hasToken).length;
    if (begun < concurrency * BEGUN_SHARE_MIN) return;
    this.#hasKilled = true;
    this.#counts.inFlightAtKill = this.#inFlight.size;
    this.#counts.begunAtKill = begun;
    kill();
  }
}
