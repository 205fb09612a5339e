/**
 * Answers: does one build of an engine answer, and how quickly? One start and one short answer: a
 * sign of life, no measurement.
 */
import type { Context } from '../base/context.ts';
import { HyperLlamaError, toHyperLlamaError } from '../base/errors.ts';
import { EMPTY_REQUEST, type GenerateRequest } from '../engines/request.ts';
import { timingOf, tokensPerSecond } from '../generate/timing.ts';
import type { StartLimits } from '../launch/start.ts';
import { start, type Wanted } from '../pipeline.ts';

export interface Probe {
  /** Spawn to ready; 0 when a running session was joined, `null` when it did not start. */
  readonly startMs: number | null;
  /** Decode speed of the one answer; `null` when there was none. */
  readonly tokensPerSecond: number | null;
  /** Why there was no answer. */
  readonly failure: HyperLlamaError | null;
}

/** Long enough for a speed, a few seconds on the slowest engine. */
const TOKENS = 48;

const REQUEST: GenerateRequest = {
  ...EMPTY_REQUEST,
  messages: [{ role: 'user', content: 'Explain in a few sentences why the sky is blue.' }],
  maxTokens: TOKENS,
  temperature: 0,
  ignoreEos: true,
};

/** @throws HL_CANCELLED; any other failure is the result */
export async function probe(wanted: Wanted, limits: StartLimits, context: Context): Promise<Probe> {
  let startMs: number | null = null;
  try {
    const { session } = await start(wanted, limits, context);
    await using held = session;
    startMs = held.facts.startMs;
    const { generate } = await import('../generate/generate.ts');
    const result = await generate(held, REQUEST, {
      signal: context.signal,
      firstByteDeadlineMs: limits.startDeadlineMs,
      onPart: () => undefined,
    });
    if (result.finishReason === 'cancelled')
      throw new HyperLlamaError('HL_CANCELLED', { phase: 'generate' });
    if (result.text.trim() === '' && result.reasoning.trim() === '') {
      const because = 'its answer to a test question was empty';
      throw new HyperLlamaError('HL_ENGINE_PROTOCOL', { engine: held.facts.engine.name, because });
    }
    return { startMs, tokensPerSecond: tokensPerSecond(timingOf(result)), failure: null };
  } catch (thrown) {
    const failure = toHyperLlamaError(thrown);
    if (failure.code === 'HL_CANCELLED') throw failure;
    return { startMs, tokensPerSecond: null, failure };
  }
}
