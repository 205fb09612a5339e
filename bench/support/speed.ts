/**
 * Answers: how fast a running engine decodes and prefills, alone and with eight users. The same
 * requests for every side of a comparison, through the product's own load loop.
 */
import type { Address } from '../../src/base/http.ts';
import { EMPTY_REQUEST, type GenerateRequest } from '../../src/engines/request.ts';
import { runLoad, type Load } from '../../src/measure/load.ts';
import {
  outputTokensPerSecond,
  prefillOf,
  prefillTokensPerSecond,
} from '../../src/measure/rates.ts';
import { median } from '../../src/measure/stats.ts';
import type { Choice } from '../../src/pipeline.ts';
import { proseOf } from './prompts.ts';

export interface Target {
  readonly address: Address;
  readonly choice: Choice;
}

/** Tokens a second. */
export interface Speed {
  readonly decode: number;
  readonly prefill: number;
}

/** How much is asked in one measurement. */
export interface Effort {
  readonly decodeTokens: number;
  readonly prefillWords: number;
  readonly repeats: number;
}

/**
 * Short runs, many of them: a shared machine is now fast, now slow for seconds, and what is asked in
 * turns within a second meets the same machine. `repeats` are blocks of ABBA.
 */
export const EFFORT: Effort = { decodeTokens: 32, prefillWords: 192, repeats: 8 };
/** Where many settings are tried, and the best are measured again. */
export const EFFORT_SWEEP: Effort = { decodeTokens: 64, prefillWords: 384, repeats: 2 };

/** One load run; nothing here takes longer on a machine that is worth measuring. */
const RUN_DEADLINE_MS = 300_000;

export interface Measured {
  readonly concurrency: number;
  readonly effort: Effort;
  /** Makes the prompts: one for both sides of a round. */
  readonly seed: number;
}

export async function measureSpeed(target: Target, what: Measured): Promise<Speed> {
  const run = new Runs(target, what);
  await run.warmUp();
  const speeds: Speed[] = [];
  for (let repeat = 0; repeat < what.effort.repeats; repeat += 1) speeds.push(await run.once());
  return middle(speeds);
}

/**
 * Two engines that run side by side, asked in turns (ABBA): whatever else slows the machine for
 * seconds or minutes slows both.
 */
export async function measurePair(
  a: Target,
  b: Target,
  what: Measured,
): Promise<{ readonly a: Speed; readonly b: Speed }> {
  const [left, right] = [new Runs(a, what), new Runs(b, what)];
  await left.warmUp();
  await right.warmUp();
  const [lefts, rights]: [Speed[], Speed[]] = [[], []];
  for (let block = 0; block < what.effort.repeats; block += 1) {
    lefts.push(await left.once());
    rights.push(await right.once(), await right.once());
    lefts.push(await left.once());
  }
  return { a: middle(lefts), b: middle(rights) };
}

/** Geometric means: ratios of them are means of ratios. */
function middle(speeds: readonly Speed[]): Speed {
  const mean = (values: readonly number[]): number =>
    Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
  return {
    decode: mean(speeds.map(({ decode }) => decode)),
    prefill: mean(speeds.map(({ prefill }) => prefill)),
  };
}

/** One token of the shortest prompt, as our readiness proof asks for it. */
export async function oneToken({ address, choice }: Target): Promise<void> {
  const request = { ...requestOf('Hi', 1), promptCache: false };
  await answersOf({ address, choice }, { concurrency: 1, requests: [request] });
}

export function requestOf(content: string, maxTokens: number): GenerateRequest {
  return {
    ...EMPTY_REQUEST,
    messages: [{ role: 'user', content }],
    maxTokens,
    temperature: 0,
    ignoreEos: true,
    promptCache: false,
  };
}

class Runs {
  readonly #target: Target;
  readonly #concurrency: number;
  readonly #effort: Effort;
  #seed: number;

  constructor(target: Target, { concurrency, effort, seed }: Measured) {
    [this.#target, this.#concurrency, this.#effort] = [target, concurrency, effort];
    this.#seed = seed * 1000;
  }

  /** The same shapes as measured: memory of every slot is touched once. */
  async warmUp(): Promise<void> {
    const words = this.#effort.prefillWords / 4;
    await this.load({ words, maxTokens: 8, requests: this.#concurrency });
  }

  async once(): Promise<Speed> {
    const { decodeTokens, prefillWords } = this.#effort;
    const shape = { words: 16, maxTokens: decodeTokens, requests: this.#concurrency };
    const decode = decodeSpeed(await this.load(shape));
    return { decode, prefill: await this.prefill(prefillWords) };
  }

  async load(shape: { words: number; maxTokens: number; requests: number }): Promise<Load> {
    const requests = Array.from({ length: shape.requests }, () =>
      requestOf(proseOf(shape.words, (this.#seed += 1)), shape.maxTokens),
    );
    return await answersOf(this.#target, { concurrency: this.#concurrency, requests });
  }

  /**
   * Alone: a long prompt against a one-token message. With others: all prompts sent at once, their
   * tokens ÷ the time until the last of them has its first token.
   */
  async prefill(words: number): Promise<number> {
    if (this.#concurrency > 1) {
      const requests = this.#concurrency;
      return burstSpeed(await this.load({ words: words / 4, maxTokens: 1, requests }));
    }
    const short = await answersOf(this.#target, { concurrency: 1, requests: [requestOf('Hi', 1)] });
    const long = await this.load({ words, maxTokens: 1, requests: 1 });
    const [one, many] = [short.answers[0], long.answers[0]].map((answer) =>
      answer === undefined ? null : prefillOf(answer.sample),
    );
    const speed = one && many ? prefillTokensPerSecond(many, one) : null;
    return required(speed, 'prefill speed');
  }
}

export async function answersOf(
  { address, choice }: Target,
  { concurrency, requests }: { concurrency: number; requests: readonly GenerateRequest[] },
): Promise<Load> {
  const { decision, plan } = choice;
  const bodies = requests.map((request) => decision.engine.adaptRequest(request, plan));
  const [first] = bodies;
  if (first === undefined) throw new Error('no requests');
  const load = await runLoad({
    address,
    concurrency,
    requestsMax: bodies.length,
    durationMsMax: RUN_DEADLINE_MS,
    requestFor: (index) => bodies[index] ?? first,
    signal: null,
  });
  if (load.failures.length > 0) throw new Error(`a request failed: ${load.failures.join('; ')}`);
  return load;
}

/** Alone 1000 ÷ TPOT; with others the tokens of all in the window in which all decode. */
function decodeSpeed(load: Load): number {
  if (load.concurrencySet > 1) return required(outputTokensPerSecond(load), 'decode speed');
  const steps = load.answers.map(({ sample }) => sample.tpotMs).filter((tpot) => tpot !== null);
  return 1000 / median(steps);
}

function burstSpeed({ answers }: Load): number {
  const tokens = answers.map(({ sample }) => prefillOf(sample)?.uncachedTokens ?? 0);
  const from = Math.min(...answers.map(({ sentAtMs }) => sentAtMs));
  const to = Math.max(...answers.map(({ textAtMs, endedAtMs }) => textAtMs[0] ?? endedAtMs));
  return (tokens.reduce((sum, count) => sum + count, 0) * 1000) / (to - from);
}

function required(value: number | null, what: string): number {
  if (value === null) throw new Error(`${what} could not be computed`);
  return value;
}
