/** Answers: how many tokens of context one request gets when nobody says, and the least of use. */
import { formatCount } from '../../base/units.ts';
import type { EngineInput, Reason } from '../engine.ts';

/** Enough for most conversations; more costs memory on every machine. */
const CONTEXT_TOKENS_DEFAULT = 8192;

/** What nobody asked for shrinks to this at the least. */
const CONTEXT_TOKENS_MIN = 2048;

/** KV caches are laid out in blocks of this many tokens by some engines. */
const CONTEXT_TOKENS_STEP = 256;

/** The explicit context, or the default widened to what the workload's requests need. */
export function contextWanted(input: EngineInput): number {
  const { model, workload } = input;
  if (workload.contextTokens !== null) return workload.contextTokens;
  const max = model.contextTokensMax ?? Number.POSITIVE_INFINITY;
  return Math.min(max, Math.max(CONTEXT_TOKENS_DEFAULT, requestTokens(input)));
}

export function contextFloor(input: EngineInput): number {
  const max = input.model.contextTokensMax ?? Number.POSITIVE_INFINITY;
  return Math.min(max, Math.max(CONTEXT_TOKENS_MIN, requestTokens(input)));
}

function requestTokens({ workload }: EngineInput): number {
  const tokens = workload.promptTokens + workload.outputTokens;
  return Math.ceil(tokens / CONTEXT_TOKENS_STEP) * CONTEXT_TOKENS_STEP;
}

/** An explicit context beyond what the model was trained for. */
export function checkContext(input: EngineInput): readonly Reason[] {
  const { contextTokens } = input.workload;
  const max = input.model.contextTokensMax;
  if (contextTokens === null || max === null || contextTokens <= max) return [];
  return [
    {
      code: 'context-too-long',
      because: `${formatCount(contextTokens)} tokens of context are asked for, ${input.model.name} was made for ${formatCount(max)}`,
      hint: `use \`--context ${max}\``,
    },
  ];
}
