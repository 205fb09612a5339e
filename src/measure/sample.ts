/**
 * Answers: what one measured answer amounts to. The definitions of TTFT and TPOT are those of
 * `generate/timing.ts`; tokens are counted by the engine, never by the chunks of the stream.
 */
import type { FinishReason } from '../engines/parts.ts';
import type { GenerateResult } from '../generate/generate.ts';
import { outputTokens, timingOf, type Timed } from '../generate/timing.ts';

export interface Sample {
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
  /** Last event with text − request handed to the socket. */
  readonly totalMs: number;
  /** `null` when the engine told no usage. */
  readonly promptTokens: number | null;
  readonly outputTokens: number;
  /** Prompt tokens the engine took from an earlier request; `null` = not reported. */
  readonly cachedTokens: number | null;
  readonly finishReason: FinishReason;
  /** Events that carried text. */
  readonly textEvents: number;
}

export function sampleOf(result: Timed & Pick<GenerateResult, 'finishReason'>): Sample {
  return {
    ...timingOf(result),
    promptTokens: result.usage?.promptTokens ?? null,
    outputTokens: outputTokens(result),
    cachedTokens: result.usage?.cachedTokens ?? null,
    finishReason: result.finishReason,
    textEvents: result.textEvents,
  };
}

/** More apart than this, and the stream hid part of what was counted: TPOT is then not exact. */
const TOKENS_APART_MAX = 0.02;

/** Reasons to read the samples with care, as sentences; empty when there are none. */
export function remarksOn(samples: readonly Sample[]): readonly string[] {
  const remarks: string[] = [];
  if (samples.some(({ promptTokens }) => promptTokens === null)) {
    remarks.push('the engine did not report token counts: tokens are events with text, a floor');
  }
  const cached = Math.max(0, ...samples.map(({ cachedTokens }) => cachedTokens ?? 0));
  if (cached > 0) {
    remarks.push(`up to ${cached} prompt tokens came from the prefix cache: TTFT is not cold`);
  }
  const apart = samples.filter(
    (sample) => sample.outputTokens - sample.textEvents > TOKENS_APART_MAX * sample.outputTokens,
  );
  if (apart.length > 0) {
    remarks.push(
      `${apart.length} of ${samples.length} answers have tokens without text of their own (several an event, or hidden): their TPOT is an average over what was seen`,
    );
  }
  const lengths = new Set(samples.map(({ outputTokens: tokens }) => tokens));
  if (lengths.size > 1) {
    remarks.push('answers differ in length: compare TPOT and tok/s, not the total');
  }
  return remarks;
}
