/** Answers: the values on a Prometheus text page, and an engine's page in our names and units. */
import type { EngineMetrics } from '../engine.ts';

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})?\s+(\S+)/;

/** Sum of all samples of each name (one a label set); not a number is left out. */
export function readSamples(text: string): ReadonlyMap<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, value] = SAMPLE.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const number = Number(value);
    if (Number.isFinite(number)) samples.set(name, (samples.get(name) ?? 0) + number);
  }
  return samples;
}

/** Names of each value; what an engine does not report is left out. */
export type MetricNames = { readonly [key in keyof EngineMetrics]?: readonly string[] };

/** The first of each row's names that the page has; `null` where it has none. */
export function pickMetrics(text: string, names: MetricNames): EngineMetrics {
  const samples = readSamples(text);
  const pick = (candidates: readonly string[] | undefined): number | null => {
    for (const name of candidates ?? []) {
      const value = samples.get(name);
      if (value !== undefined) return value;
    }
    return null;
  };
  return {
    requestsRunning: pick(names.requestsRunning),
    requestsWaiting: pick(names.requestsWaiting),
    kvCacheUse: pick(names.kvCacheUse),
    prefixCacheHitRatio: pick(names.prefixCacheHitRatio),
    promptTokensTotal: pick(names.promptTokensTotal),
    outputTokensTotal: pick(names.outputTokensTotal),
  };
}

/** `hits` ÷ `all`, or `null` before anything was asked. */
export function ratioOf(hits: number | undefined, all: number | undefined): number | null {
  if (hits === undefined || all === undefined || all <= 0) return null;
  return Math.min(1, Math.max(0, hits / all));
}
