/**
 * Answers: what the engine says to one request: streamed as parts, returned as one result with the
 * times a person and a measurement need. A cancelled answer is a result; a broken one an error that
 * keeps what had been said.
 */
import { HyperLlamaError } from '../base/errors.ts';
import { getText, postStream, StreamBroken, type StreamEnd } from '../base/http.ts';
import { readErrorBody, type FinishReason, type Part, type Usage } from '../engines/parts.ts';
import type { GenerateRequest, RequestWarning } from '../engines/request.ts';
import type { Session } from '../launch/session.ts';
import { explainExit, failureIn } from '../launch/watch-start.ts';
import { Answer } from './answer.ts';

export interface GenerateOptions {
  readonly signal: AbortSignal | null;
  /** Longest wait for the first token; `null` = as long as at most 20 minutes are silent. */
  readonly firstByteDeadlineMs: number | null;
  /** What the model itself can read, for the hint to a prompt that is too long; absent = unknown. */
  readonly contextTokensMax?: number | null;
  readonly onPart: (part: Part) => void;
}

export interface GenerateResult {
  readonly text: string;
  readonly reasoning: string;
  readonly finishReason: FinishReason;
  /** `null` when the engine told none: in an answer that was cancelled, or cut at a stop text. */
  readonly usage: Usage | null;
  /** Events that carried text; a floor for the tokens, never a count of them. */
  readonly textEvents: number;
  readonly stamps: Stamps;
  readonly warnings: readonly RequestWarning[];
}

/** Monotonic clock, ms. */
export interface Stamps {
  readonly sentAtMs: number;
  /** Arrival of the first and the last event that carried generated text. */
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  readonly endedAtMs: number;
}

/** A prompt of 100,000 tokens on a slow CPU is silent for minutes; nothing is silent longer. */
const FIRST_BYTE_DEADLINE_MS = 20 * 60_000;
/** Between tokens: the slowest engine measured needs 0.4 s a token; a swapped-out one more. */
const SILENCE_DEADLINE_MS = 120_000;
/** From a broken answer to the engine's end: MAX takes 2 s and more to end what a crash left of it. */
const EXIT_WORD_MS = 10_000;
/** A health page on loopback; who takes longer is not well. */
const HEALTH_DEADLINE_MS = 1_000;

/**
 * @throws HL_CONTEXT_EXCEEDED, HL_REQUEST_INVALID, HL_ENGINE_EXITED, HL_ENGINE_OUT_OF_MEMORY,
 *   HL_ENGINE_UNRESPONSIVE, HL_ENGINE_PROTOCOL; `details.text` holds what had arrived
 */
export async function generate(
  session: Session,
  request: GenerateRequest,
  options: GenerateOptions,
): Promise<GenerateResult> {
  const { engine, plan, address } = session.facts;
  const adapted = engine.adaptRequest(request, plan);
  const answer = new Answer(adapted.stop ?? [], options.onPart);
  let end: StreamEnd | null = null;
  const sentAtMs = performance.now();
  try {
    end = await postStream(address, {
      path: adapted.path,
      body: adapted.body,
      headers: session.requestHeaders(),
      signal: anyOf(options.signal, answer.stopped),
      firstByteDeadlineMs: FIRST_BYTE_DEADLINE_MS,
      silenceDeadlineMs: SILENCE_DEADLINE_MS,
      ...(options.firstByteDeadlineMs === null
        ? {}
        : { beginDeadlineMs: options.firstByteDeadlineMs }),
      // Several engines send an empty first event at once, and prefill after it.
      hasBegun: () => answer.firstAtMs !== null,
      onChunk: (chunk, atMs) => answer.feed(chunk, atMs),
    });
    answer.end(end.endedAtMs);
  } catch (error) {
    answer.release();
    const isCancelled = error instanceof StreamBroken && error.why === 'cancelled';
    if (!isCancelled) throw await explainBreak(error, { session, text: answer.text });
    if (!answer.isStopped) answer.finishReason = 'cancelled';
  }
  if (end?.errorText !== undefined && end.errorText !== null) {
    throw explainRefusal({ ...end, errorText: end.errorText }, session, options);
  }
  if (answer.problem !== null || answer.finishReason === null) {
    const problem = answer.problem ?? 'the stream ended without a finish reason';
    const because = session.withoutKey(problem);
    // vLLM tells the stream that its core has died before it ends itself.
    const isWell = answer.problem !== null && (await isHealthy(session));
    const exit = await session.exitWithin(isWell ? 0 : EXIT_WORD_MS);
    if (exit !== null) throw exitError(exit, { session, text: answer.text });
    const params = { engine: engine.name, because, text: answer.text };
    throw new HyperLlamaError('HL_ENGINE_PROTOCOL', params);
  }
  return {
    text: answer.text,
    reasoning: answer.reasoning,
    finishReason: answer.finishReason,
    usage: answer.usage,
    textEvents: answer.textEvents,
    stamps: {
      sentAtMs: end?.sentAtMs ?? sentAtMs,
      firstAtMs: answer.firstAtMs,
      lastAtMs: answer.lastAtMs,
      endedAtMs: end?.endedAtMs ?? performance.now(),
    },
    warnings: adapted.warnings,
  };
}

async function isHealthy({ facts }: Session): Promise<boolean> {
  const limits = { deadlineMs: HEALTH_DEADLINE_MS, signal: null };
  const page = await getText(facts.address, facts.plan.readiness.path, limits);
  return page?.status === 200;
}

/** Aborted with either; the second one is there only for answers that we stop ourselves. */
function anyOf(signal: AbortSignal | null, stopped: AbortSignal | null): AbortSignal | null {
  return signal === null || stopped === null
    ? (signal ?? stopped)
    : AbortSignal.any([signal, stopped]);
}

interface Broken {
  readonly session: Session;
  readonly text: string;
}

async function explainBreak(error: unknown, broken: Broken): Promise<unknown> {
  const { session, text } = broken;
  const { engine } = session.facts;
  const limit = error instanceof StreamBroken ? error.cause : error;
  if (limit instanceof RangeError) {
    const params = { engine: engine.name, because: limit.message, text };
    return new HyperLlamaError('HL_ENGINE_PROTOCOL', params);
  }
  if (!(error instanceof StreamBroken)) return error;
  if (error.why === 'first-byte' || error.why === 'silence') {
    const isFirst = error.why === 'first-byte';
    const what = isFirst ? 'waiting for the first token' : 'in mid-answer';
    const isOurs = session.facts.plan.attach === undefined;
    const hint = isFirst
      ? '`--timeout` allows a longer wait for the first token'
      : 'HyperLlama does not manage this server: its own log says what it does';
    const durationMs = error.silenceMs;
    const params = {
      engine: engine.name,
      what,
      durationMs,
      text,
      ...(isFirst || !isOurs ? { hint } : {}),
    };
    return new HyperLlamaError('HL_ENGINE_UNRESPONSIVE', params);
  }
  const exit = await session.exitWithin(EXIT_WORD_MS);
  if (exit !== null) return exitError(exit, broken);
  const { attach } = session.facts.plan;
  if (attach !== undefined) {
    const when = text === '' ? '' : ' in mid-answer';
    const because = `the connection broke${when} (${error.message})`;
    const params = { engine: engine.id, url: attach.url, because, text };
    return new HyperLlamaError('HL_SERVER_UNREACHABLE', params);
  }
  const because = `the connection broke (${error.message})`;
  return new HyperLlamaError('HL_ENGINE_PROTOCOL', { engine: engine.name, because, text });
}

function exitError(exit: NonNullable<Session['exit']>, { session, text }: Broken): HyperLlamaError {
  const { engine, plan } = session.facts;
  const error = explainExit(exit, {
    engine: engine.name,
    phase: 'generate',
    failed: failureIn(exit, engine),
    path: plan.model.artifact.path ?? plan.model.ref,
    contextTokens: plan.contextTokens,
  });
  const { code, details, engineLog, hint } = error;
  return new HyperLlamaError(
    code,
    { ...details, text, ...(hint === null ? {} : { hint }) },
    { engineLog },
  );
}

/** An answer that is not 2xx: the engine refused the request itself. */
function explainRefusal(
  end: StreamEnd & { readonly errorText: string },
  session: Session,
  { contextTokensMax = null }: GenerateOptions,
): HyperLlamaError {
  const { engine, plan } = session.facts;
  const body = readErrorBody(end.errorText);
  const message = session.withoutKey(body?.message ?? end.errorText.slice(0, 200));
  const isOurs = plan.attach === undefined;
  // Of a server that is not ours nobody told us the context: its own words say more.
  if (isOurs && /context|too long|maximum.*length/i.test(`${body?.type ?? ''} ${message}`)) {
    // Messages name the limit too, and some name it first: a prompt that does not fit is larger.
    const counts = [...message.matchAll(/\b(\d+)(?: \w+)? tokens\b/g)].map((match) =>
      Number(match[1]),
    );
    const tokens = Math.max(0, ...counts);
    return new HyperLlamaError('HL_CONTEXT_EXCEEDED', {
      promptTokens: tokens > plan.contextTokens ? tokens : null,
      contextTokens: plan.contextTokens,
      ...(contextTokensMax === null ? {} : { contextTokensMax }),
    });
  }
  if (end.status >= 400 && end.status < 500) {
    return new HyperLlamaError('HL_REQUEST_INVALID', { because: `${engine.name}: ${message}` });
  }
  const because = `status ${end.status}: ${message}`;
  return new HyperLlamaError('HL_ENGINE_PROTOCOL', { engine: engine.name, because });
}
