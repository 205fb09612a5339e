/**
 * Answers: what a name like `chat` stands for. Figures are typical requests of that kind, chosen
 * by us; every one of them can be overridden.
 */
import type { Need, Workload, WorkloadName } from './workload.ts';

interface Preset {
  /** One line for `--help`. */
  readonly about: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly sharedPrefixShare: number;
  readonly goal: Workload['goal'];
  readonly needs: readonly Need[];
  /** Requests in flight unless the caller says otherwise: only batch work has a crowd of its own. */
  readonly concurrency: number;
}

export const PRESETS: { readonly [name in WorkloadName]: Preset } = {
  chat: {
    about: 'a person in conversation',
    promptTokens: 512,
    outputTokens: 256,
    sharedPrefixShare: 0.1,
    goal: 'latency',
    needs: [],
    concurrency: 1,
  },
  agent: {
    about: 'a program that calls tools over many turns of one growing prompt',
    promptTokens: 6000,
    outputTokens: 400,
    sharedPrefixShare: 0.8,
    goal: 'latency',
    needs: ['tools'],
    concurrency: 1,
  },
  code: {
    about: 'completion and editing of source code',
    promptTokens: 2000,
    outputTokens: 400,
    sharedPrefixShare: 0.5,
    goal: 'latency',
    needs: [],
    concurrency: 1,
  },
  rag: {
    about: 'answers over retrieved passages',
    promptTokens: 3500,
    outputTokens: 300,
    sharedPrefixShare: 0.2,
    goal: 'latency',
    needs: [],
    concurrency: 1,
  },
  longctx: {
    about: 'questions about one very long document',
    promptTokens: 30_000,
    outputTokens: 500,
    sharedPrefixShare: 0.3,
    goal: 'latency',
    needs: [],
    concurrency: 1,
  },
  batch: {
    about: 'many independent prompts; only the total time counts',
    promptTokens: 1000,
    outputTokens: 300,
    sharedPrefixShare: 0.2,
    goal: 'throughput',
    needs: [],
    concurrency: 32,
  },
  embed: {
    about: 'vectors for texts',
    promptTokens: 256,
    outputTokens: 0,
    sharedPrefixShare: 0,
    goal: 'throughput',
    needs: ['embeddings'],
    concurrency: 8,
  },
  rerank: {
    about: 'scores for query and passage pairs',
    promptTokens: 512,
    outputTokens: 0,
    sharedPrefixShare: 0.2,
    goal: 'throughput',
    needs: ['rerank'],
    concurrency: 8,
  },
  edge: {
    about: 'short answers on a small device',
    promptTokens: 256,
    outputTokens: 128,
    sharedPrefixShare: 0.1,
    goal: 'memory',
    needs: [],
    concurrency: 1,
  },
};

/** What a caller may set; what is absent or `undefined` keeps the preset's value. */
export type WorkloadOverrides = {
  readonly [key in Exclude<keyof Workload, 'name'>]?: Workload[key] | undefined;
};

/** The preset `name` with `overrides`. Needs add up: `--for agent` with a schema wants both. */
export function makeWorkload(
  name: WorkloadName = 'chat',
  overrides: WorkloadOverrides = {},
): Workload {
  const preset = PRESETS[name];
  const needs = new Set<Need>([...preset.needs, ...(overrides.needs ?? [])]);
  return {
    name,
    concurrency: Math.max(1, Math.floor(overrides.concurrency ?? preset.concurrency)),
    promptTokens: overrides.promptTokens ?? preset.promptTokens,
    outputTokens: overrides.outputTokens ?? preset.outputTokens,
    sharedPrefixShare: Math.min(
      1,
      Math.max(0, overrides.sharedPrefixShare ?? preset.sharedPrefixShare),
    ),
    goal: overrides.goal ?? preset.goal,
    needs: [...needs],
    stability: overrides.stability ?? 'changing',
    portability: overrides.portability ?? 'here',
    contextTokens: overrides.contextTokens ?? null,
    device: overrides.device ?? 'auto',
  };
}
