/** Do the rates leave out what is not theirs: ramp-up, drain, HTTP, the template's tokens? */
import { describe, expect, test } from 'vitest';
import type { Answer, Load } from '../../../src/measure/load.ts';
import {
  outputTokensPerSecond,
  prefillOf,
  prefillTokensPerSecond,
  steadyWindow,
} from '../../../src/measure/rates.ts';
import { sampleOf } from '../../../src/measure/sample.ts';

/** An answer sent at `sentAtMs` with an event at each of `textAtMs`, counted as `tokens`. */
function answerAt(sentAtMs: number, textAtMs: readonly number[], tokens: number | null): Answer {
  const usage =
    tokens === null ? null : { promptTokens: 20, outputTokens: tokens, cachedTokens: 4 };
  const endedAtMs = (textAtMs.at(-1) ?? sentAtMs) + 1;
  const stamps = {
    sentAtMs,
    endedAtMs,
    firstAtMs: textAtMs[0] ?? null,
    lastAtMs: textAtMs.at(-1) ?? null,
  };
  const sample = sampleOf({ stamps, usage, textEvents: textAtMs.length, finishReason: 'length' });
  return { sentAtMs, endedAtMs, textAtMs, text: '', usage, sample };
}

function loadOf(answers: readonly Answer[], drainedAtMs: number): Load {
  return {
    answers,
    failures: [],
    concurrencySet: 2,
    concurrencyReached: 2,
    startedAtMs: 0,
    endedAtMs: 10_000,
    drainedAtMs,
    isCancelled: false,
  };
}

const every = (from: number, stepMs: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => from + stepMs * index);

describe('the steady window', () => {
  test('begins when every lane decodes and ends when the first runs dry', () => {
    const load = loadOf(
      [answerAt(0, every(100, 10, 101), 101), answerAt(0, every(500, 10, 101), 101)],
      1100,
    );
    expect(steadyWindow(load)).toEqual({ fromMs: 500, toMs: 1100 });
  });

  test('does not exist when a lane never began, or began after the drain', () => {
    expect(steadyWindow(loadOf([answerAt(0, [100], 1)], 1000))).toBeNull();
    expect(steadyWindow(loadOf([answerAt(0, [100], 1), answerAt(0, [], 0)], 1000))).toBeNull();
    expect(steadyWindow(loadOf([answerAt(0, [100], 1), answerAt(0, [900], 1)], 800))).toBeNull();
  });
});

describe('output tokens a second', () => {
  test('counts what arrived inside the window only', () => {
    // Two lanes with a token each 10 ms: 200 tok/s, whatever happened before and after.
    const load = loadOf(
      [answerAt(0, every(100, 10, 101), 101), answerAt(0, every(500, 10, 201), 201)],
      1100,
    );
    expect(outputTokensPerSecond(load)).toBeCloseTo(200, 9);
  });

  test('counts an event of four tokens as four', () => {
    const answers = [answerAt(0, every(100, 40, 26), 104), answerAt(0, every(100, 40, 26), 104)];
    expect(outputTokensPerSecond(loadOf(answers, 1100))).toBeCloseTo(200, 9);
  });

  test('takes events as the floor where the engine told no count', () => {
    const answers = [answerAt(0, every(100, 20, 51), null), answerAt(0, every(100, 20, 51), null)];
    expect(outputTokensPerSecond(loadOf(answers, 1100))).toBeCloseTo(100, 9);
  });

  test('is not said without a window', () => {
    expect(outputTokensPerSecond(loadOf([], 1000))).toBeNull();
  });
});

describe('prefill', () => {
  test('takes the cost of a one-token message from time and count', () => {
    const long = { ttftMs: 2050, uncachedTokens: 537 };
    expect(prefillTokensPerSecond(long, { ttftMs: 50, uncachedTokens: 37 })).toBeCloseTo(250, 9);
  });

  test('is not said when the long prompt was not slower, or not longer', () => {
    const one = { ttftMs: 50, uncachedTokens: 37 };
    expect(prefillTokensPerSecond({ ttftMs: 50, uncachedTokens: 537 }, one)).toBeNull();
    expect(prefillTokensPerSecond({ ttftMs: 80, uncachedTokens: 37 }, one)).toBeNull();
  });

  test('counts no token that came from the cache', () => {
    expect(prefillOf(answerAt(10, [60], 1).sample)).toEqual({ ttftMs: 50, uncachedTokens: 16 });
    expect(prefillOf(answerAt(10, [60], null).sample)).toBeNull();
    expect(prefillOf(answerAt(10, [], 1).sample)).toBeNull();
  });
});
