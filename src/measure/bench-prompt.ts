/**
 * Answers: how fast one engine answers one prompt, over and over: warm-ups that are not counted,
 * then iterations one after the other, each with a cold prefix. Ranks nothing.
 */
import { HyperLlamaError } from '../base/errors.ts';
import { EMPTY_REQUEST, type GenerateRequest, type RequestWarning } from '../engines/request.ts';
import { generate } from '../generate/generate.ts';
import { tokensPerSecond } from '../generate/timing.ts';
import type { Session } from '../launch/session.ts';
import { coldRequest } from './cold.ts';
import { sampleOf, type Sample } from './sample.ts';
import { summarize, type Summary } from './stats.ts';

export interface PromptBenchOptions {
  readonly prompt: string;
  readonly iterations: number;
  /** Answers before the first counted one. */
  readonly warmups: number;
  /** Length of every answer: the end-of-text token is passed over where the engine can do that. */
  readonly maxTokens: number;
  readonly temperature: number;
  readonly signal: AbortSignal;
  /** `null` = as `generate` does. */
  readonly firstByteDeadlineMs: number | null;
  /** Before each answer; `kind` says whether it counts. */
  readonly onIteration: (kind: 'warm-up' | 'measure', number: number) => void;
}

export interface PromptBenchResult {
  /** In the order they were taken. */
  readonly samples: readonly Sample[];
  /** All iterations were taken; `false` after Ctrl-C. */
  readonly isComplete: boolean;
  readonly warnings: readonly RequestWarning[];
}

/** @throws what `generate` throws, with the samples so far in `details.iterations` */
export async function benchPrompt(
  session: Session,
  options: PromptBenchOptions,
): Promise<PromptBenchResult> {
  const request: GenerateRequest = {
    ...EMPTY_REQUEST,
    messages: [{ role: 'user', content: options.prompt }],
    maxTokens: options.maxTokens,
    temperature: options.temperature,
    ignoreEos: true,
  };
  const samples: Sample[] = [];
  let warnings: readonly RequestWarning[] = [];
  const total = options.warmups + options.iterations;
  try {
    for (let index = 0; index < total; index += 1) {
      if (options.signal.aborted) return { samples, isComplete: false, warnings };
      const isCounted = index >= options.warmups;
      const number = isCounted ? index - options.warmups + 1 : index + 1;
      options.onIteration(isCounted ? 'measure' : 'warm-up', number);
      const result = await generate(session, coldRequest(request), {
        signal: options.signal,
        firstByteDeadlineMs: options.firstByteDeadlineMs,
        onPart: () => undefined,
      });
      // Cut short: its times are those of another, shorter answer.
      if (result.finishReason === 'cancelled') return { samples, isComplete: false, warnings };
      warnings = result.warnings;
      if (isCounted) samples.push(sampleOf(result));
    }
  } catch (error) {
    throw keepSamples(error, samples);
  }
  return { samples, isComplete: true, warnings };
}

export interface BenchSummary {
  readonly ttftMs: Summary | null;
  readonly tpotMs: Summary | null;
  readonly tokensPerSecond: Summary | null;
  readonly totalMs: Summary | null;
}

/** Over the samples that have the value; `null` where none has. */
export function summarizeSamples(samples: readonly Sample[]): BenchSummary {
  const over = (value: (sample: Sample) => number | null): Summary | null =>
    summarize(samples.map(value).filter((known) => known !== null));
  return {
    ttftMs: over(({ ttftMs }) => ttftMs),
    tpotMs: over(({ tpotMs }) => tpotMs),
    tokensPerSecond: over(tokensPerSecond),
    totalMs: over(({ totalMs }) => totalMs),
  };
}

function keepSamples(error: unknown, samples: readonly Sample[]): unknown {
  if (!(error instanceof HyperLlamaError)) return error;
  const { code, details, hint, engineLog } = error;
  const kept = { ...details, iterations: samples, ...(hint === null ? {} : { hint }) };
  const options = error.cause === undefined ? { engineLog } : { engineLog, cause: error.cause };
  return new HyperLlamaError(code, kept, options);
}
