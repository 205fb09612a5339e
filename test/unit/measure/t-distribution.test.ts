/** Is our Student's t the one in the tables? */
import * as fc from '../../support/property.ts';
import { describe, expect, test } from 'vitest';
import {
  incompleteBeta,
  logGamma,
  tProbability,
  tQuantile,
} from '../../../src/measure/t-distribution.ts';

const degrees = fc.double({ min: 0.5, max: 1e5, noNaN: true });
const probability = fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true });

describe('the t quantile', () => {
  // Printed tables, e.g. NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
  test.for([
    [0.975, 1, 12.7062],
    [0.975, 2, 4.3027],
    [0.975, 5, 2.5706],
    [0.975, 7, 2.3646],
    [0.975, 10, 2.2281],
    [0.975, 30, 2.0423],
    [0.975, 100, 1.984],
    [0.95, 7, 1.8946],
    [0.995, 9, 3.2498],
    [0.9, 3, 1.6377],
  ] as const)('of %f with %i degrees of freedom is %f', ([p, df, expected]) => {
    expect(tQuantile(p, df)).toBeCloseTo(expected, 4);
  });

  test('approaches the normal quantile with many degrees of freedom', () => {
    expect(tQuantile(0.975, 1e7)).toBeCloseTo(1.959964, 5);
  });

  test('with one degree of freedom is that of Cauchy, a tangent', () => {
    fc.assert(
      fc.property(probability, (p) => {
        const exact = Math.tan(Math.PI * (p - 0.5));
        expect(Math.abs(tQuantile(p, 1) - exact)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(exact)));
      }),
    );
  });

  test('with two degrees of freedom has a closed form', () => {
    fc.assert(
      fc.property(probability, (p) => {
        const exact = (2 * p - 1) / Math.sqrt(2 * p * (1 - p));
        expect(Math.abs(tQuantile(p, 2) - exact)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(exact)));
      }),
    );
  });

  test('undoes the distribution function', () => {
    fc.assert(
      fc.property(probability, degrees, (p, df) => {
        expect(tProbability(tQuantile(p, df), df)).toBeCloseTo(p, 9);
      }),
    );
  });

  test('is antisymmetric around one half', () => {
    fc.assert(
      fc.property(probability, degrees, (p, df) => {
        const [below, above] = [tQuantile(p, df), tQuantile(1 - p, df)];
        expect(Math.abs(below + above)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(below)));
      }),
    );
    expect(tQuantile(0.5, 3)).toBe(0);
  });

  test('grows with the probability', () => {
    fc.assert(
      fc.property(probability, probability, degrees, (p, q, df) => {
        fc.pre(Math.abs(p - q) > 1e-9);
        expect(Math.sign(tQuantile(p, df) - tQuantile(q, df))).toBe(Math.sign(p - q));
      }),
    );
  });

  test.for([0, 1, -0.1, 1.5, Number.NaN])('refuses the probability %f', (p) => {
    expect(() => tQuantile(p, 5)).toThrow(RangeError);
  });

  test.for([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses %f degrees of freedom', (df) => {
    expect(() => tQuantile(0.975, df)).toThrow(RangeError);
    expect(() => tProbability(1, df)).toThrow(RangeError);
  });
});

describe('what it is made of', () => {
  test('the gamma function of whole numbers is the factorial', () => {
    let factorial = 1;
    for (let n = 1; n <= 20; n += 1) {
      expect(logGamma(n)).toBeCloseTo(Math.log(factorial), 10);
      factorial *= n;
    }
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 12);
    expect(logGamma(0.25)).toBeCloseTo(Math.log(3.625609908221908), 12);
  });

  test('the incomplete beta function mirrors itself and ends at 0 and 1', () => {
    const shape = fc.double({ min: 0.1, max: 500, noNaN: true });
    // Nearer to the ends 1 − x itself loses what is asked for.
    const x = fc.double({ min: 1e-3, max: 1 - 1e-3, noNaN: true });
    fc.assert(
      fc.property(x, shape, shape, (at, a, b) => {
        expect(incompleteBeta(at, a, b)).toBeCloseTo(1 - incompleteBeta(1 - at, b, a), 8);
      }),
    );
    expect(incompleteBeta(0, 2, 3)).toBe(0);
    expect(incompleteBeta(1, 2, 3)).toBe(1);
    // I_x(2, 3) = 6x² − 8x³ + 3x⁴
    expect(incompleteBeta(0.3, 2, 3)).toBeCloseTo(0.3483, 10);
  });
});
