/**
 * Answers: what speed a load run reached: output tokens a second inside the steady window, and
 * prefill speed with everything that is not prefill taken away.
 */
import type { Answer, Load } from './load.ts';
import type { Sample } from './sample.ts';

/** Time in which every lane was busy decoding: between the ramp-up and the drain. */
export interface SteadyWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * From the moment each of the first `concurrency` answers has begun to the moment a lane first
 * finds no more work. `null` when there is no such time.
 */
export function steadyWindow({ answers, concurrencySet, drainedAtMs }: Load): SteadyWindow | null {
  const firsts = [...answers].sort((a, b) => a.sentAtMs - b.sentAtMs).slice(0, concurrencySet);
  if (firsts.length < concurrencySet) return null;
  const begun = firsts.map(({ textAtMs }) => textAtMs[0] ?? Number.POSITIVE_INFINITY);
  const fromMs = Math.max(...begun);
  return drainedAtMs > fromMs ? { fromMs, toMs: drainedAtMs } : null;
}

/**
 * Tokens received in the window ÷ the window. The engine's count of an answer is spread evenly over
 * its events, so that an event with three tokens counts three. `null` without a window.
 */
export function outputTokensPerSecond(load: Load): number | null {
  const window = steadyWindow(load);
  if (window === null) return null;
  let tokens = 0;
  for (const answer of load.answers) {
    const inside = answer.textAtMs.filter((at) => at > window.fromMs && at <= window.toMs).length;
    tokens += inside * tokensPerEvent(answer);
  }
  return (tokens * 1000) / (window.toMs - window.fromMs);
}

/** As the engine counted; without its count an event is the floor of one token. */
function tokensPerEvent({ usage, textAtMs }: Answer): number {
  if (usage === null || textAtMs.length === 0) return 1;
  return usage.outputTokens / textAtMs.length;
}

export interface Prefill {
  readonly ttftMs: number;
  /** Prompt tokens that were computed: those from the cache are not among them. */
  readonly uncachedTokens: number;
}

/**
 * Prompt tokens a second of a long prompt, with what a one-token message costs taken from both the
 * time and the count: HTTP, queue, the chat template's own tokens and the first decode step. For one
 * request at a time. `null` where the long one was not slower.
 */
export function prefillTokensPerSecond(long: Prefill, oneToken: Prefill): number | null {
  const tokens = long.uncachedTokens - oneToken.uncachedTokens;
  const durationMs = long.ttftMs - oneToken.ttftMs;
  return tokens > 0 && durationMs > 0 ? (tokens * 1000) / durationMs : null;
}

/** `null` when the engine told no usage or no text came. */
export function prefillOf({ ttftMs, promptTokens, cachedTokens }: Sample): Prefill | null {
  if (ttftMs === null || promptTokens === null) return null;
  return { ttftMs, uncachedTokens: promptTokens - (cachedTokens ?? 0) };
}
