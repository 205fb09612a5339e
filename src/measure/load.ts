/**
 * Answers: how an engine holds up under a fixed number of requests at once (a closed loop). Chunks
 * are stamped as they leave the socket and kept as bytes; everything else happens after the run.
 */
import { postStream, StreamBroken, type Address, type StreamEnd } from '../base/http.ts';
import { SseReader } from '../base/sse.ts';
import { readErrorBody, readParts, type FinishReason, type Usage } from '../engines/parts.ts';
import type { AdaptedRequest } from '../engines/request.ts';
import { sampleOf, type Sample } from './sample.ts';

export interface LoadOptions {
  readonly address: Address;
  /** Requests in flight at once, ≥1. */
  readonly concurrency: number;
  /** The run ends after so many requests … */
  readonly requestsMax: number;
  /** … or sends none after this long, whichever comes first. */
  readonly durationMsMax: number;
  /** The body of request number `index`, from 0; called before its clock starts. */
  readonly requestFor: (index: number) => AdaptedRequest;
  readonly signal: AbortSignal | null;
}

export interface Load {
  readonly answers: readonly Answer[];
  readonly failures: readonly string[];
  readonly concurrencySet: number;
  /** Most requests that were in flight at one time. */
  readonly concurrencyReached: number;
  /** When the first request was sent and the last one ended, monotonic ms. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** When the first lane found no more work: what comes after is the tail. */
  readonly drainedAtMs: number;
  readonly isCancelled: boolean;
}

/** One answer, read from its stamped bytes. Monotonic ms. */
export interface Answer {
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  /** Arrival of every event that carried text. */
  readonly textAtMs: readonly number[];
  readonly text: string;
  readonly usage: Usage | null;
  readonly sample: Sample;
}

/** A run's stamped bytes are kept in memory until it ends. */
const BYTES_KEPT_MAX = 512 * 1024 * 1024;
/** Prefill of a long prompt behind a queue of others, on a slow machine. */
const FIRST_BYTE_DEADLINE_MS = 20 * 60_000;
/** Between chunks, with every slot of a slow engine at work. */
const SILENCE_DEADLINE_MS = 120_000;
/** An engine that fails this often in a row will not recover within the run. */
const FAILURES_IN_A_ROW_MAX = 3;

interface Taken {
  readonly end: StreamEnd;
  readonly chunks: readonly { readonly atMs: number; readonly bytes: Buffer }[];
}

/** Runs to its bounds, or until the signal: then with what was complete. Never throws for a failed request. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const run = new LoadRun(options);
  const startedAtMs = performance.now();
  await Promise.all(Array.from({ length: options.concurrency }, async () => run.lane(startedAtMs)));
  const endedAtMs = performance.now();
  const failures = [...run.failures];
  const answers: Answer[] = [];
  for (const taken of run.taken) {
    const answer = readAnswer(taken);
    if (typeof answer === 'string') failures.push(answer);
    else answers.push(answer);
  }
  return {
    answers,
    failures,
    concurrencySet: options.concurrency,
    concurrencyReached: run.inFlightMax,
    startedAtMs,
    endedAtMs,
    drainedAtMs: run.drainedAtMs ?? endedAtMs,
    isCancelled: options.signal?.aborted === true,
  };
}

class LoadRun {
  readonly taken: Taken[] = [];
  readonly failures: string[] = [];
  inFlightMax = 0;
  drainedAtMs: number | null = null;
  #inFlight = 0;
  #next = 0;
  #bytes = 0;
  #failuresInARow = 0;
  readonly #options: LoadOptions;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** One request after the other until there is no more work. */
  async lane(startedAtMs: number): Promise<void> {
    while (this.#hasWork(startedAtMs)) {
      const request = this.#options.requestFor(this.#next);
      this.#next += 1;
      this.#inFlight += 1;
      this.inFlightMax = Math.max(this.inFlightMax, this.#inFlight);
      try {
        this.taken.push(await this.#take(request));
        this.#failuresInARow = 0;
      } catch (error) {
        if (!(error instanceof StreamBroken)) throw error;
        if (error.why !== 'cancelled') this.failures.push(`${error.why}: ${error.message}`);
        this.#failuresInARow += 1;
      } finally {
        this.#inFlight -= 1;
      }
    }
    this.drainedAtMs ??= performance.now();
  }

  #hasWork(startedAtMs: number): boolean {
    const { requestsMax, durationMsMax, signal } = this.#options;
    return (
      this.#next < requestsMax &&
      performance.now() - startedAtMs < durationMsMax &&
      this.#bytes < BYTES_KEPT_MAX &&
      this.#failuresInARow < FAILURES_IN_A_ROW_MAX &&
      signal?.aborted !== true
    );
  }

  async #take({ path, body }: AdaptedRequest): Promise<Taken> {
    const chunks: { atMs: number; bytes: Buffer }[] = [];
    const end = await postStream(this.#options.address, {
      path,
      body,
      signal: this.#options.signal,
      firstByteDeadlineMs: FIRST_BYTE_DEADLINE_MS,
      silenceDeadlineMs: SILENCE_DEADLINE_MS,
      onChunk: (bytes, atMs) => {
        chunks.push({ atMs, bytes });
        this.#bytes += bytes.length;
      },
    });
    return { end, chunks };
  }
}

/** The parts of one answer, each with the time its bytes arrived; a string says why it is none. */
function readAnswer({ end, chunks }: Taken): Answer | string {
  if (end.errorText !== null) return refusal(end.status, end.errorText);
  const textAtMs: number[] = [];
  let text = '';
  let usage: Usage | null = null;
  let finishReason: FinishReason | null = null;
  let problem: string | null = null;
  let atMs = end.sentAtMs;
  const reader = new SseReader((data) => {
    for (const part of readParts(data)) {
      if (part.kind === 'text' || part.kind === 'reasoning') {
        textAtMs.push(atMs);
        text += part.text;
      } else if (part.kind === 'usage') usage = part.usage;
      else if (part.kind === 'finish') finishReason = part.reason;
      else if (part.kind === 'error') problem ??= part.message;
    }
  });
  try {
    for (const chunk of chunks) {
      atMs = chunk.atMs;
      reader.feed(chunk.bytes);
    }
    reader.end();
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
  if (problem !== null) return problem;
  if (finishReason === null) return 'the stream ended without a finish reason';
  const { sentAtMs, endedAtMs } = end;
  const stamps = {
    sentAtMs,
    endedAtMs,
    firstAtMs: textAtMs[0] ?? null,
    lastAtMs: textAtMs.at(-1) ?? null,
  };
  const sample = sampleOf({ stamps, usage, textEvents: textAtMs.length, finishReason });
  return { sentAtMs, endedAtMs, textAtMs, text, usage, sample };
}

function refusal(status: number, body: string): string {
  return `status ${status}: ${readErrorBody(body)?.message ?? body.slice(0, 200)}`;
}
