/**
 * Answers: what is wanted of a model. A preset (`--for chat`) or explicit numbers; the decision
 * and the engines' `check` and `plan` read it.
 */

export const WORKLOAD_NAMES = [
  'chat',
  'agent',
  'code',
  'rag',
  'longctx',
  'batch',
  'embed',
  'rerank',
  'edge',
] as const;
export type WorkloadName = (typeof WORKLOAD_NAMES)[number];

/** What a request must be able to use; a filter, never a preference. */
export type Need =
  | 'structured-output'
  | 'tools'
  | 'lora'
  | 'vision'
  | 'logprobs'
  | 'embeddings'
  | 'rerank';

export interface Workload {
  readonly name: WorkloadName;
  /** Requests in flight at once, ≥1. */
  readonly concurrency: number;
  /** Tokens of a typical prompt and answer. */
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Part of the prompt that requests have in common, 0–1. */
  readonly sharedPrefixShare: number;
  readonly goal: 'latency' | 'throughput' | 'memory' | 'cost';
  readonly needs: readonly Need[];
  /** `frozen`: one model for months, so that a long build pays. */
  readonly stability: 'changing' | 'frozen';
  readonly portability: 'here' | 'any-vendor';
  /** Tokens of context a request may use; `null` = choose. An explicit one never shrinks. */
  readonly contextTokens: number | null;
  /** `cpu` keeps an engine off the accelerators; `auto` takes what is there. */
  readonly device: 'auto' | 'cpu' | 'gpu';
}
