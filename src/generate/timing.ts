/**
 * Answers: TTFT, TPOT and tokens per second, from the stamps of one answer. One definition for the
 * footer, `--json` and every measurement (`docs/benchmarking.md`).
 */
import type { GenerateResult } from './generate.ts';

export interface Timing {
  /** First event with text − request handed to the socket; `null` when no text came. */
  readonly ttftMs: number | null;
  /** (last − first event with text) ÷ (tokens − tokens of the first event); needs two tokens. */
  readonly tpotMs: number | null;
  /** Last event with text − request handed to the socket: a trailing usage event does not count. */
  readonly totalMs: number;
}

/** Streams of the engines driven here start with one token an event. */
const TOKENS_OF_FIRST_EVENT = 1;

/** What of an answer its times are made from. */
export type Timed = Pick<GenerateResult, 'stamps' | 'usage' | 'textEvents'>;

export function timingOf(result: Timed): Timing {
  const { sentAtMs, firstAtMs, lastAtMs, endedAtMs } = result.stamps;
  const tokens = outputTokens(result);
  const steps = tokens - TOKENS_OF_FIRST_EVENT;
  return {
    ttftMs: firstAtMs === null ? null : firstAtMs - sentAtMs,
    tpotMs:
      firstAtMs === null || lastAtMs === null || steps < 1 ? null : (lastAtMs - firstAtMs) / steps,
    totalMs: (lastAtMs ?? endedAtMs) - sentAtMs,
  };
}

/** As the engine counted; a cancelled answer has no usage, its events are the best floor. */
export function outputTokens(result: Pick<Timed, 'usage' | 'textEvents'>): number {
  return result.usage?.outputTokens ?? result.textEvents;
}

/** Decode speed, 1000 ÷ TPOT; `null` for a single token. */
export function tokensPerSecond(timing: Timing): number | null {
  return timing.tpotMs === null || timing.tpotMs <= 0 ? null : 1000 / timing.tpotMs;
}
