/**
 * Answers: how a reliability suite is run and reported: a seed, a bounded number of trials, and one
 * JSON file with counts and percentiles. Counts decide; durations are only written down.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `full` = the sizes of `docs/`'s promises; otherwise a size for every change. */
export const isFullSize: boolean = process.env['HYPERLLAMA_TEST_SIZE'] === 'full';

const RESULTS_FOLDER = fileURLToPath(new URL('../../test-results/', import.meta.url));

/** Failures kept in words; more of the same kind teach nothing. */
const FAILURES_KEPT_MAX = 20;

export interface SuiteResult {
  readonly suite: string;
  readonly seed: number;
  readonly size: 'full' | 'ci';
  readonly trials: number;
  readonly failures: number;
  readonly failed: readonly string[];
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** Whatever else the suite counts. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export class Suite {
  readonly name: string;
  readonly seed: number;
  readonly random: () => number;
  #trials = 0;
  #failures = 0;
  readonly #failed: string[] = [];
  readonly #durationsMs: number[] = [];
  readonly #facts: Record<string, unknown> = {};

  constructor(name: string) {
    this.name = name;
    const asked = Number(process.env['HYPERLLAMA_TEST_SEED']);
    const isNumber = Number.isInteger(asked) && asked > 0;
    // The full sizes look for new cases; a red run of the others is about the change at hand.
    const usual = isFullSize ? 1 + Math.floor(Math.random() * 1e9) : 1;
    this.seed = isNumber ? asked : usual;
    this.random = randomFrom(this.seed);
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** One of `choices`, by the seed. */
  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.between(0, choices.length - 1)] ?? choices[0];
  }

  /**
   * Runs `count` trials, `width` at a time. A trial that throws is a failure with its message, and
   * the others go on: how often it fails is the result.
   */
  async run(
    count: number,
    options: { readonly width: number; readonly deadlineMs: number },
    trial: (index: number) => Promise<void>,
  ): Promise<void> {
    const end = performance.now() + options.deadlineMs;
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        const index = next;
        next += 1;
        if (performance.now() > end) {
          this.fail(`trial ${index}: not begun within ${options.deadlineMs} ms`);
          next = count;
          return;
        }
        this.#trials += 1;
        try {
          await trial(index);
        } catch (thrown) {
          const error = thrown instanceof Error ? thrown : new Error(String(thrown));
          this.fail(`trial ${index}: ${error.message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: options.width }, lane));
  }

  fail(message: string): void {
    this.#failures += 1;
    if (this.#failed.length < FAILURES_KEPT_MAX) this.#failed.push(message);
  }

  duration(ms: number): void {
    this.#durationsMs.push(ms);
  }

  /** Adds 1 to a count that is reported beside the trials. */
  count(fact: string): void {
    const before = this.#facts[fact];
    this.#facts[fact] = (typeof before === 'number' ? before : 0) + 1;
  }

  fact(name: string, value: unknown): void {
    this.#facts[name] = value;
  }

  /** Writes `test-results/<suite>.json`, prints one line, and returns what it wrote. */
  finish(): SuiteResult {
    const sorted = this.#durationsMs.sort((a, b) => a - b);
    const result: SuiteResult = {
      suite: this.name,
      seed: this.seed,
      size: isFullSize ? 'full' : 'ci',
      trials: this.#trials,
      failures: this.#failures,
      failed: this.#failed,
      p50: percentile(sorted, 0.5),
      p99: percentile(sorted, 0.99),
      max: percentile(sorted, 1),
      facts: this.#facts,
    };
    mkdirSync(RESULTS_FOLDER, { recursive: true });
    writeFileSync(`${RESULTS_FOLDER}${this.name}.json`, `${JSON.stringify(result, null, 2)}\n`);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return result;
  }
}

/** Nearest rank, in the unit of the values, to a tenth; `null` of nothing. */
function percentile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? null : Math.round(value * 10) / 10;
}

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state are plenty for a test. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Says on stdout why a suite does not run here; returns whether it does. */
export function runsHere(suite: string, reason: string | null): boolean {
  if (reason !== null) process.stdout.write(`${suite} is not run here: ${reason}\n`);
  return reason === null;
}
