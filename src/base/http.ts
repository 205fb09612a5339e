/**
 * Answers: how bytes travel to an engine's server and back: one request a connection, over a unix
 * socket or loopback TCP, each chunk stamped as it leaves the socket. Knows nothing of tokens.
 */
import type { Client as UndiciClient, Dispatcher } from 'undici';
// The one class we use: undici's index also loads fetch, caches and mocks, which is 55 ms of CPU
// beside an engine that loads its model (undici 8.12).
import Client from 'undici/lib/dispatcher/client.js';

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export function formatAddress(address: Address): string {
  return address.kind === 'unix'
    ? `unix:${address.path}`
    : `http://${address.host}:${address.port}`;
}

export interface StreamRequest {
  readonly path: string;
  /** Serialised before the clock starts. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | null;
  /** Longest silence until the answer has begun: a long prefill is silent. */
  readonly firstByteDeadlineMs: number;
  /** Longest silence between two chunks after that. */
  readonly silenceDeadlineMs: number;
  /** Longest wait from the request until the answer has begun, silent or not; absent = none. */
  readonly beginDeadlineMs?: number;
  /** The answer has begun; absent = with its first byte. Some engines send a byte at once. */
  readonly hasBegun?: () => boolean;
  /** `atMs` is the monotonic clock (`performance.now()`) when the chunk left the socket. */
  readonly onChunk: (chunk: Buffer, atMs: number) => void;
}

export interface StreamEnd {
  readonly status: number;
  /** When the request was handed to the socket. */
  readonly sentAtMs: number;
  /** `null` when no byte of a body came. */
  readonly firstByteAtMs: number | null;
  readonly endedAtMs: number;
  /** Body of an answer that is not 2xx, cut after the chunk that reaches 64 KiB; `null` for a stream. */
  readonly errorText: string | null;
}

/** Why a stream broke, in words that the caller turns into its own error. */
export class StreamBroken extends Error {
  readonly why: 'refused' | 'reset' | 'first-byte' | 'silence' | 'cancelled';
  readonly silenceMs: number;

  constructor(why: StreamBroken['why'], message: string, silenceMs = 0, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'StreamBroken';
    this.why = why;
    this.silenceMs = silenceMs;
  }
}

/** How often silence is looked at; no timer is touched in the token path. */
const WATCH_INTERVAL_MS = 250;
const ERROR_BYTES_MAX = 64 * 1024;
/** A health page, or a list of models; who sends more is something else. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Loopback answers in microseconds; a listener with a full backlog may take longer. */
const CONNECT_DEADLINE_MS = 10_000;

/**
 * Sends `body` as JSON and hands over what comes back.
 * @throws StreamBroken
 */
export async function postStream(address: Address, request: StreamRequest): Promise<StreamEnd> {
  const client = openClient(address);
  const body = JSON.stringify(request.body);
  try {
    return await new Promise<StreamEnd>((resolve, reject) => {
      let status = 0;
      let firstByteAtMs: number | null = null;
      let lastAtMs = performance.now();
      const sentAtMs = lastAtMs;
      const errorChunks: Buffer[] = [];
      let errorBytes = 0;
      let controller: Dispatcher.DispatchController | null = null;
      const stop = (broken: StreamBroken): void => {
        clearInterval(watch);
        request.signal?.removeEventListener('abort', onAbort);
        controller?.abort(broken);
        reject(broken);
      };
      const onAbort = (): void => stop(new StreamBroken('cancelled', 'cancelled'));
      const watch = setInterval(() => {
        const nowMs = performance.now();
        const hasBegun = request.hasBegun?.() ?? firstByteAtMs !== null;
        const silenceMs = nowMs - lastAtMs;
        const limit = hasBegun ? request.silenceDeadlineMs : request.firstByteDeadlineMs;
        const isLate = !hasBegun && nowMs - sentAtMs > (request.beginDeadlineMs ?? Infinity);
        if (silenceMs <= limit && !isLate) return;
        const waitedMs = isLate ? nowMs - sentAtMs : silenceMs;
        const why = hasBegun ? 'silence' : 'first-byte';
        stop(new StreamBroken(why, `no byte for ${Math.round(waitedMs)} ms`, waitedMs));
      }, WATCH_INTERVAL_MS);
      if (request.signal?.aborted === true) return onAbort();
      request.signal?.addEventListener('abort', onAbort, { once: true });
      client.dispatch(
        {
          method: 'POST',
          path: request.path,
          headers: { 'content-type': 'application/json', ...request.headers },
          body,
          reset: true,
        },
        {
          onRequestStart: (next) => {
            controller = next;
          },
          onResponseStart: (_controller, statusCode) => {
            status = statusCode;
          },
          onResponseData: (_controller, chunk) => {
            const atMs = performance.now();
            firstByteAtMs ??= atMs;
            lastAtMs = atMs;
            if (status >= 200 && status < 300) {
              request.onChunk(chunk, atMs);
            } else if (errorBytes < ERROR_BYTES_MAX) {
              errorChunks.push(chunk);
              errorBytes += chunk.length;
            }
          },
          onResponseEnd: () => {
            clearInterval(watch);
            request.signal?.removeEventListener('abort', onAbort);
            const isError = status < 200 || status >= 300;
            const errorText = isError ? Buffer.concat(errorChunks).toString('utf8') : null;
            resolve({ status, sentAtMs, firstByteAtMs, endedAtMs: performance.now(), errorText });
          },
          onResponseError: (_controller, error) => {
            stop(error instanceof StreamBroken ? error : toStreamBroken(error));
          },
        },
      );
    });
  } finally {
    await client.destroy();
  }
}

export interface Page {
  readonly status: number;
  readonly text: string;
}

export interface PageOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Status and text of a small page, or `null` when nobody answered in time. */
export async function getText(
  address: Address,
  path: string,
  options: PageOptions,
): Promise<Page | null> {
  return await getPage(address, path, options).catch(() => null);
}

/** The same, saying why there is none. @throws StreamBroken */
export async function getPage(address: Address, path: string, limits: PageOptions): Promise<Page> {
  const client = openClient(address);
  const deadline = AbortSignal.timeout(limits.deadlineMs);
  const signal = limits.signal === null ? deadline : AbortSignal.any([limits.signal, deadline]);
  try {
    return await new Promise((resolve, reject) => {
      let status = 0;
      const chunks: Buffer[] = [];
      let bytes = 0;
      let controller: Dispatcher.DispatchController | null = null;
      const stop = (broken: StreamBroken): void => {
        signal.removeEventListener('abort', onAbort);
        controller?.abort(broken);
        reject(broken);
      };
      const onAbort = (): void => {
        const isLate = limits.signal?.aborted !== true;
        const message = isLate ? `no answer within ${limits.deadlineMs} ms` : 'cancelled';
        stop(new StreamBroken(isLate ? 'first-byte' : 'cancelled', message, limits.deadlineMs));
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      client.dispatch(
        { method: 'GET', path, headers: { ...limits.headers }, reset: true },
        {
          onRequestStart: (next) => {
            controller = next;
          },
          onResponseStart: (_controller, statusCode) => {
            status = statusCode;
          },
          onResponseData: (_controller, chunk) => {
            chunks.push(chunk);
            bytes += chunk.length;
            if (bytes <= PAGE_BYTES_MAX) return;
            stop(new StreamBroken('reset', `a page of more than ${PAGE_BYTES_MAX} bytes`));
          },
          onResponseEnd: () => {
            signal.removeEventListener('abort', onAbort);
            resolve({ status, text: Buffer.concat(chunks).toString('utf8') });
          },
          onResponseError: (_controller, error) => {
            stop(error instanceof StreamBroken ? error : toStreamBroken(error));
          },
        },
      );
    });
  } finally {
    await client.destroy();
  }
}

function openClient(address: Address): UndiciClient {
  // undici's own time-outs end long prefills after 300 s: ours are explicit instead.
  const limits = { headersTimeout: 0, bodyTimeout: 0, pipelining: 1 };
  return address.kind === 'unix'
    ? new Client('http://localhost', {
        ...limits,
        connect: { socketPath: address.path, timeout: CONNECT_DEADLINE_MS },
      })
    : new Client(`http://${address.host}:${address.port}`, {
        ...limits,
        connect: { timeout: CONNECT_DEADLINE_MS },
      });
}

function toStreamBroken(error: Error): StreamBroken {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const isRefused =
    code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'UND_ERR_CONNECT_TIMEOUT';
  return new StreamBroken(isRefused ? 'refused' : 'reset', error.message, 0, error);
}
