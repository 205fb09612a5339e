/** Answers: how one argument of a plan is written down, with its reason and where it comes from. */
import type { PlanArgument } from '../engine.ts';

type Origin = PlanArgument['origin'];

/** A flag with a value. */
export function flag(
  name: string,
  value: string | number,
  why: { readonly because: string; readonly origin?: Origin },
): PlanArgument {
  return {
    flag: name,
    value: String(value),
    because: why.because,
    origin: why.origin ?? 'engine',
  };
}

/** A flag without a value. */
export function toggle(
  name: string,
  why: { readonly because: string; readonly origin?: Origin },
): PlanArgument {
  return { flag: name, value: null, because: why.because, origin: why.origin ?? 'engine' };
}

/** A word without a flag: the model of `vllm serve DIR`. */
export function positional(
  word: string,
  why: { readonly because: string; readonly origin?: Origin },
): PlanArgument {
  return { flag: word, value: null, because: why.because, origin: why.origin ?? 'engine' };
}

/** How many cards do something together; nothing to say where it is one. */
export function degree(name: string, value: number, because: string): PlanArgument | null {
  return value === 1 ? null : flag(name, value, { because, origin: 'machine' });
}
