/** Do the statistics say what the textbooks say, and nothing where there is too little to say? */
import * as fc from '../../support/property.ts';
import { describe, expect, test } from 'vitest';
import {
  equivalence,
  mean,
  median,
  pairedRatio,
  percentile,
  standardDeviation,
  summarize,
  tInterval,
} from '../../../src/measure/stats.ts';

const value = fc.double({ min: 0.001, max: 1e6, noNaN: true });
const values = fc.array(value, { minLength: 2, maxLength: 50 });
const pairs = fc.array(fc.record({ a: value, b: value }), { minLength: 2, maxLength: 20 });

describe('centre and spread', () => {
  test('of a known set', () => {
    const set = [2, 4, 4, 4, 5, 5, 7, 9];
    expect(summarize(set)).toEqual({
      n: 8,
      mean: 5,
      standardDeviation: expect.closeTo(2.13809, 5),
      median: 4.5,
      min: 2,
      max: 9,
    });
  });

  test('of one value has no spread, and of none is nothing', () => {
    expect(summarize([3])?.standardDeviation).toBeNull();
    expect(summarize([])).toBeNull();
    expect(() => mean([])).toThrow(RangeError);
    expect(() => median([])).toThrow(RangeError);
  });

  test('do not depend on the order, and leave the values where they are', () => {
    fc.assert(
      fc.property(values, (set) => {
        const before = [...set];
        const reversed = [...set].reverse();
        expect(median(reversed)).toBe(median(set));
        expect(standardDeviation(reversed)).toBeCloseTo(standardDeviation(set) ?? -1, 3);
        expect(set).toEqual(before);
      }),
    );
  });

  test('the median lies between the extremes and halves the values', () => {
    fc.assert(
      fc.property(values, (set) => {
        const middle = median(set);
        expect(set.filter((one) => one < middle).length).toBeLessThanOrEqual(set.length / 2);
        expect(set.filter((one) => one > middle).length).toBeLessThanOrEqual(set.length / 2);
      }),
    );
  });
});

describe('percentiles', () => {
  test.for([
    [95, 200],
    [99, 500],
    [90, 100],
  ] as const)('p%i is not said below %i samples', ([p, least]) => {
    expect(percentile(upTo(least - 1), p)).toBeNull();
    expect(percentile(upTo(least), p)).toBeCloseTo(((least - 1) * p) / 100, 9);
  });

  test('p50 is said of one', () => {
    expect(percentile([7], 50)).toBe(7);
    expect(percentile([], 50)).toBeNull();
  });
});

describe('the t interval', () => {
  test('of one to five is 3 ± 1.9632', () => {
    const interval = tInterval([1, 2, 3, 4, 5]);
    expect(interval?.low).toBeCloseTo(3 - 1.9632, 4);
    expect(interval?.high).toBeCloseTo(3 + 1.9632, 4);
  });

  test('of one value is not said', () => {
    expect(tInterval([1])).toBeNull();
  });

  test('holds the mean and widens with the confidence', () => {
    fc.assert(
      fc.property(values, (set) => {
        const [narrow, wide] = [tInterval(set, 0.8), tInterval(set, 0.99)];
        const slack = 1e-9 * mean(set);
        expect(narrow?.low).toBeLessThanOrEqual(mean(set) + slack);
        expect(narrow?.high).toBeGreaterThanOrEqual(mean(set) - slack);
        expect(wide?.low).toBeLessThanOrEqual(narrow?.low ?? Number.NaN);
        expect(wide?.high).toBeGreaterThanOrEqual(narrow?.high ?? Number.NaN);
      }),
    );
  });
});

describe('the paired ratio', () => {
  test('of a constant factor is that factor with no doubt', () => {
    const result = pairedRatio([10, 20, 35].map((b) => ({ a: 1.1 * b, b })));
    expect(result?.ratio).toBeCloseTo(1.1, 12);
    expect(result?.ci.low).toBeCloseTo(1.1, 9);
    expect(result?.ci.high).toBeCloseTo(1.1, 9);
    expect(result?.n).toBe(3);
  });

  test('of a known set', () => {
    // Logs 0 and ln 4: mean ln 2, sd ln 4 ÷ √2, half-width 12.7062 · sd ÷ √2.
    const result = pairedRatio([
      { a: 1, b: 1 },
      { a: 4, b: 1 },
    ]);
    expect(result?.ratio).toBeCloseTo(2, 12);
    expect(Math.log(result?.ci.high ?? 0)).toBeCloseTo(Math.LN2 + 12.7062 * Math.LN2, 3);
  });

  test('does not see drift that both sides of a pair share', () => {
    fc.assert(
      fc.property(pairs, fc.array(value, { minLength: 20, maxLength: 20 }), (set, drift) => {
        const drifted = set.map(({ a, b }, index) => {
          const factor = drift[index] ?? 1;
          return { a: a * factor, b: b * factor };
        });
        expect(Math.log(pairedRatio(drifted)?.ratio ?? 0)).toBeCloseTo(
          Math.log(pairedRatio(set)?.ratio ?? 0),
          6,
        );
      }),
    );
  });

  test('turned round is its inverse', () => {
    fc.assert(
      fc.property(pairs, (set) => {
        const there = pairedRatio(set);
        const back = pairedRatio(set.map(({ a, b }) => ({ a: b, b: a })));
        expect((there?.ratio ?? 0) * (back?.ratio ?? 0)).toBeCloseTo(1, 6);
        const bounds = [there?.ci.low ?? 0, back?.ci.high ?? 0].map((bound) => Math.log(bound));
        expect((bounds[0] ?? 0) + (bounds[1] ?? 0)).toBeCloseTo(0, 4);
      }),
    );
  });

  test('of fewer than two pairs is not said, and of zero is refused', () => {
    expect(pairedRatio([{ a: 1, b: 2 }])).toBeNull();
    expect(() => pairedRatio([{ a: 0, b: 2 }])).toThrow(RangeError);
    expect(() => pairedRatio([{ a: 1, b: Number.NaN }])).toThrow(RangeError);
  });

  test('covers the truth in 95 of 100 experiments of six noisy pairs', () => {
    const random = generator(20_261_121);
    const trials = 2000;
    let covered = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const set = Array.from({ length: 6 }, () => ({
        a: 110 * Math.exp(0.05 * normal(random)),
        b: 100 * Math.exp(0.05 * normal(random)),
      }));
      const { low, high } = pairedRatio(set)?.ci ?? { low: 0, high: 0 };
      if (low <= 1.1 && 1.1 <= high) covered += 1;
    }
    // Four standard errors around 95 %.
    expect(covered / trials).toBeGreaterThan(0.93);
    expect(covered / trials).toBeLessThan(0.97);
  });
});

describe('equivalence', () => {
  test('is said of sides that agree within the margin', () => {
    expect(equivalence(around(1.01, 0.01), 0.05)?.isEquivalent).toBe(true);
  });

  test('is not said of a difference beyond it, nor of too much noise', () => {
    expect(equivalence(around(1.06, 0.001), 0.05)?.isEquivalent).toBe(false);
    expect(equivalence(around(0.94, 0.001), 0.05)?.isEquivalent).toBe(false);
    expect(equivalence(around(1, 0.2), 0.05)?.isEquivalent).toBe(false);
  });

  test('stands on the 90 % interval', () => {
    const set = around(1.01, 0.03);
    expect(equivalence(set, 0.05)?.bounds).toEqual(pairedRatio(set, 0.9)?.ci);
    expect(equivalence(set.slice(0, 1), 0.05)).toBeNull();
  });
});

/** mulberry32 (Tommy Ettinger, public domain). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Box and Muller's transform. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function upTo(n: number): readonly number[] {
  return Array.from({ length: n }, (_, index) => index);
}

/** Four pairs whose ratio lies around `ratio`. */
function around(ratio: number, wobble: number): { a: number; b: number }[] {
  return [1 - wobble, 1, 1 + wobble, 1].map((factor) => ({ a: 100 * ratio * factor, b: 100 }));
}
