/**
 * Answers: is the engine ready? Only a generated token says so: health pages of real engines were
 * seen to answer 200 before the model was loaded, and over a dead worker.
 */
import { getText, postStream, StreamBroken, type Address } from '../base/http.ts';
import { SseReader } from '../base/sse.ts';
import { fail } from '../base/errors.ts';
import type { Service, LaunchPlan } from '../engines/engine.ts';
import { readErrorBody, readParts } from '../engines/parts.ts';
import { EMPTY_REQUEST } from '../engines/request.ts';

/** The engine listens already: loading a model is what takes long, so polls are cheap and near. */
const POLL_FIRST_MS = 10;
const POLL_LAST_MS = 100;
/** One page of a few bytes over loopback; a busy single-threaded server may take seconds. */
const HEALTH_DEADLINE_MS = 10_000;

export interface ReadinessOptions {
  readonly engine: Service;
  readonly plan: LaunchPlan;
  readonly address: Address;
  /** Aborted when the engine ended or the start was given up: its reason is the error. */
  readonly signal: AbortSignal;
  readonly onPhase: (phase: 'load' | 'warm-up') => void;
  /** Resolves when the engine's log says that it is ready: then the next look is at once. */
  readonly saidReady: Promise<void>;
}

/** What one generated token takes. */
export interface TokenOptions extends Pick<
  ReadinessOptions,
  'engine' | 'plan' | 'address' | 'signal'
> {
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent = as long as the signal allows: an engine may load its model for the first token. */
  readonly silenceDeadlineMs?: number;
}

/** Resolves after the first token. @throws the signal's reason, or HL_ENGINE_PROTOCOL */
export async function waitReady(options: ReadinessOptions): Promise<void> {
  options.onPhase('load');
  const said = { isReady: false };
  const saidReady = options.saidReady.then(() => {
    said.isReady = true;
  });
  let waitMs = POLL_FIRST_MS;
  while (!(await isHealthy(options))) {
    // The log's word ends a long wait; from then on it cannot be far.
    const wait = sleep(waitMs, options.signal);
    await (said.isReady ? wait : Promise.race([wait, saidReady]));
    waitMs = said.isReady ? POLL_FIRST_MS : Math.min(waitMs * 1.5, POLL_LAST_MS);
  }
  if (options.plan.readiness.isPageEnough === true) return;
  options.onPhase('warm-up');
  await generateOneToken(options);
}

async function isHealthy({ plan, address, signal }: ReadinessOptions): Promise<boolean> {
  signal.throwIfAborted();
  const limits = { deadlineMs: HEALTH_DEADLINE_MS, signal };
  const page = await getText(address, plan.readiness.path, limits);
  return page?.status === 200;
}

/** Resolves when a token was generated. @throws the signal's reason, or HL_ENGINE_PROTOCOL */
export async function generateOneToken({
  engine,
  plan,
  address,
  signal,
  headers = {},
  silenceDeadlineMs = Infinity,
}: TokenOptions): Promise<void> {
  const request = {
    ...EMPTY_REQUEST,
    messages: [{ role: 'user' as const, content: 'Hi' }],
    maxTokens: 1,
    temperature: 0,
    promptCache: false,
  };
  const { path, body } = engine.adaptRequest(request, plan);
  const refuse = (because: string): never =>
    fail('HL_ENGINE_PROTOCOL', { engine: engine.name, because: `first token: ${because}` });
  let hasToken = false;
  let problem: string | null = null;
  const reader = new SseReader((data) => {
    for (const part of readParts(data)) {
      if (part.kind === 'text' || part.kind === 'reasoning') hasToken = true;
      if (part.kind === 'usage' && part.usage.outputTokens > 0) hasToken = true;
      if (part.kind === 'error') problem = part.message;
    }
  });
  try {
    const end = await postStream(address, {
      path,
      body,
      headers,
      signal,
      firstByteDeadlineMs: silenceDeadlineMs,
      silenceDeadlineMs,
      onChunk: (chunk) => reader.feed(chunk),
    });
    reader.end();
    if (end.errorText !== null) {
      const message = readErrorBody(end.errorText)?.message ?? end.errorText.slice(0, 200);
      return refuse(`status ${end.status}, ${message}`);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof StreamBroken) return refuse(error.message);
    throw error;
  }
  if (problem !== null) return refuse(problem);
  if (!hasToken) return refuse('the stream ended without one');
}

/** Resolves after `durationMs`; rejects with the signal's reason. */
export async function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (signal.aborted) return reject(toError(signal.reason));
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(toError(signal.reason));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, durationMs);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
