/**
 * Answers: what may be said of a handful of values: centre, spread, percentiles that have enough
 * samples behind them, t intervals, and the ratio of two sides measured in pairs.
 */
import { tQuantile } from './t-distribution.ts';

export interface Summary {
  readonly n: number;
  readonly mean: number;
  /** Sample standard deviation (n − 1); `null` for a single value. */
  readonly standardDeviation: number | null;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface PairedRatio {
  /** Geometric mean of a ÷ b over the pairs. */
  readonly ratio: number;
  readonly ci: Interval;
  readonly confidence: number;
  /** Pairs. */
  readonly n: number;
}

/** `null` of no values. */
export function summarize(values: readonly number[]): Summary | null {
  if (values.length === 0) return null;
  return {
    n: values.length,
    mean: mean(values),
    standardDeviation: standardDeviation(values),
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

/** @throws RangeError of no values, as the mean of nothing is a bug of the caller */
export function mean(values: readonly number[]): number {
  requireValues(values);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** With n − 1; `null` for fewer than two values. */
export function standardDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** @throws RangeError of no values */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Fewest samples behind a printed percentile: ten of them lie beyond p95 of 200; beyond p99 of 500
 * lie five. With fewer, one unlucky sample is the percentile.
 */
const SAMPLES_MIN = { 50: 1, 90: 100, 95: 200, 99: 500 } as const;
export type Percentile = keyof typeof SAMPLES_MIN;

/** `null` where the samples are too few to say it. */
export function percentile(values: readonly number[], p: Percentile): number | null {
  return values.length < SAMPLES_MIN[p] ? null : quantile(values, p / 100);
}

/** Linear between the two nearest ranks. */
function quantile(values: readonly number[], share: number): number {
  requireValues(values);
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** Two-sided t interval of the mean; `null` for fewer than two values. */
export function tInterval(values: readonly number[], confidence = 0.95): Interval | null {
  const spread = standardDeviation(values);
  if (spread === null) return null;
  const centre = mean(values);
  const reach = tQuantile((1 + confidence) / 2, values.length - 1);
  const half = (reach * spread) / Math.sqrt(values.length);
  return { low: centre - half, high: centre + half };
}

/**
 * How many times `a` is `b`, from pairs measured side by side: the t interval of the mean log
 * ratio. Drift that both sides of a pair share cancels out. `null` for fewer than two pairs.
 * @throws RangeError when a value is not positive
 */
export function pairedRatio(
  pairs: readonly { readonly a: number; readonly b: number }[],
  confidence = 0.95,
): PairedRatio | null {
  const logs = pairs.map(({ a, b }) => {
    if (a > 0 && b > 0 && Number.isFinite(a) && Number.isFinite(b)) return Math.log(a / b);
    throw new RangeError(`a ratio needs positive values, got ${a} and ${b}`);
  });
  const interval = tInterval(logs, confidence);
  if (interval === null) return null;
  return {
    ratio: Math.exp(mean(logs)),
    ci: { low: Math.exp(interval.low), high: Math.exp(interval.high) },
    confidence,
    n: pairs.length,
  };
}

export interface Equivalence {
  /** Both one-sided tests pass: the whole interval lies within the margin. */
  readonly isEquivalent: boolean;
  readonly bounds: Interval;
}

/**
 * Are two sides equal within `margin` (0.05 = ±5 %, as a factor in both directions)? Two one-sided
 * t tests at 5 % each, which is the 90 % interval lying inside the margin. `null` for too few pairs.
 */
export function equivalence(
  pairs: readonly { readonly a: number; readonly b: number }[],
  margin: number,
): Equivalence | null {
  const paired = pairedRatio(pairs, 0.9);
  if (paired === null) return null;
  const { low, high } = paired.ci;
  return { isEquivalent: low > 1 / (1 + margin) && high < 1 + margin, bounds: paired.ci };
}

function requireValues(values: readonly number[]): void {
  if (values.length === 0) throw new RangeError('there are no values');
}
