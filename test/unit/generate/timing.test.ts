/** TTFT, TPOT and tokens per second: one definition, on the stamps of one answer. */
import * as fc from '../../support/property.ts';
import { describe, expect, it } from 'vitest';
import {
  outputTokens,
  timingOf,
  tokensPerSecond,
  type Timed,
} from '../../../src/generate/timing.ts';

function answer(stamps: Partial<Timed['stamps']>, tokens: number | null, events = 0): Timed {
  return {
    stamps: { sentAtMs: 1000, firstAtMs: null, lastAtMs: null, endedAtMs: 1000, ...stamps },
    usage: tokens === null ? null : { promptTokens: 10, outputTokens: tokens, cachedTokens: null },
    textEvents: events,
  };
}

describe('timingOf', () => {
  it('is first text minus send, last text minus first over the steps between', () => {
    const timed = answer({ firstAtMs: 1200, lastAtMs: 1600, endedAtMs: 1900 }, 11);
    expect(timingOf(timed)).toEqual({ ttftMs: 200, tpotMs: 40, totalMs: 600 });
  });

  it('is not moved by when the stream ends: a usage event 300 ms late changes nothing', () => {
    const stamps = { firstAtMs: 1200, lastAtMs: 1600 };
    expect(timingOf(answer({ ...stamps, endedAtMs: 1900 }, 11))).toEqual(
      timingOf(answer({ ...stamps, endedAtMs: 1601 }, 11)),
    );
  });

  it('counts tokens as the engine did, also when several came in one event', () => {
    const stamps = { firstAtMs: 1100, lastAtMs: 1500, endedAtMs: 1500 };
    expect(timingOf(answer(stamps, 9, 3)).tpotMs).toBe(50);
  });

  it('has no TPOT for one token, and no TTFT for none', () => {
    const one = timingOf(answer({ firstAtMs: 1100, lastAtMs: 1100, endedAtMs: 1200 }, 1));
    expect(one).toEqual({ ttftMs: 100, tpotMs: null, totalMs: 100 });
    const none = timingOf(answer({ endedAtMs: 1500 }, 0));
    expect(none).toEqual({ ttftMs: null, tpotMs: null, totalMs: 500 });
  });

  it('adds up: TTFT + TPOT × steps is the total, for any answer of two tokens and more', () => {
    const time = fc.nat({ max: 1_000_000 });
    fc.assert(
      fc.property(time, time, time, fc.integer({ min: 2, max: 10_000 }), (a, b, c, tokens) => {
        const firstAtMs = 1000 + a;
        const lastAtMs = firstAtMs + b;
        const timing = timingOf(answer({ firstAtMs, lastAtMs, endedAtMs: lastAtMs + c }, tokens));
        const sum = (timing.ttftMs ?? Number.NaN) + (timing.tpotMs ?? Number.NaN) * (tokens - 1);
        expect(sum).toBeCloseTo(timing.totalMs, 3);
      }),
    );
  });
});

describe('tokens', () => {
  it('of a cancelled answer are its events, a floor', () => {
    expect(outputTokens(answer({}, null, 7))).toBe(7);
    expect(outputTokens(answer({}, 12, 7))).toBe(12);
  });

  it('per second are 1000 ÷ TPOT, and unknown where there is none', () => {
    expect(tokensPerSecond({ ttftMs: 1, tpotMs: 20, totalMs: 100 })).toBe(50);
    expect(tokensPerSecond({ ttftMs: 1, tpotMs: null, totalMs: 100 })).toBeNull();
    expect(tokensPerSecond({ ttftMs: 1, tpotMs: 0, totalMs: 100 })).toBeNull();
  });
});
