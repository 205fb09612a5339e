/**
 * Answers: how both generations of ExLlama are served, by TabbyAPI. Read from the source of its
 * parser and its server at the commits that the fixtures name; never run, it needs an NVIDIA card.
 */
import { GIB } from '../../base/units.ts';
import type {
  EngineInput,
  EngineMetrics,
  InstallGuide,
  PlanArgument,
  VerdictOk,
} from '../engine.ts';
import { flag } from './args.ts';
import { parserOf, type FamilyRow } from './families.ts';
import type { FitRules } from './fit.ts';
import type { LogRule } from './log-rules.ts';
import { modelPath } from './identity.ts';

export const TABBY_FIT: FitRules = {
  kvBytesPerElement: () => 2,
  kvCache: 'paged',
  overheadBytes: () => 1.5 * GIB,
  memoryShare: 0.95,
  slotsMax: 16,
  split: 'layers',
  canOffload: false,
};

/** Its server has no metrics page. */
export const TABBY_METRICS: EngineMetrics = {
  requestsRunning: null,
  requestsWaiting: null,
  kvCacheUse: null,
  prefixCacheHitRatio: null,
  promptTokensTotal: null,
  outputTokensTotal: null,
};

const REPOSITORY = 'https://github.com/theroyallab/tabbyAPI';

/** Its server is no package, and its licence asks for a word before it is fetched for somebody. */
export function tabbyGuide(commit: string): InstallGuide {
  return {
    when: { platforms: ['linux'], devices: ['nvidia'] },
    because:
      'TabbyAPI, which serves it, is on no package index: it is run from its source (AGPL-3.0)',
    hint: `\`git clone ${REPOSITORY} && cd tabbyAPI && git checkout ${commit.slice(0, 12)} && python3 -m venv venv && venv/bin/pip install '.[cu12]'\``,
  };
}

/** The cache is cut into pages of this many tokens. */
const PAGE_TOKENS = 256;

/** Models that think between `<think>` and `</think>`, its default marks, unless told otherwise. */
const THINKING: readonly FamilyRow[] = [
  { named: /deepseek-r1/i, parser: 'true' },
  { family: 'qwen3', named: /^(?!.*(instruct|coder))/i, parser: 'true' },
  { family: 'glm4_moe', parser: 'true' },
  { family: 'minimax_m2', parser: 'true' },
];

/** It names models by folders within a folder. */
export function inFolder(path: string): { readonly folder: string; readonly name: string } {
  const cut = path.lastIndexOf('/');
  return { folder: cut > 0 ? path.slice(0, cut) : '.', name: path.slice(cut + 1) };
}

export function tabbyArguments(
  input: EngineInput,
  verdict: VerdictOk,
  more: readonly PlanArgument[] = [],
): readonly PlanArgument[] {
  const { folder, name } = inFolder(modelPath(input.model, verdict.artifact));
  const reasoning = parserOf(input.model, THINKING);
  return [
    flag('--host', '{host}', { because: 'this machine only' }),
    flag('--port', '{port}', { because: 'a port that was free just before' }),
    flag('--model-dir', folder, {
      because: 'the folder above the model',
      origin: 'model',
    }),
    flag('--model-name', name, { because: 'the folder', origin: 'model' }),
    flag('--max-seq-len', verdict.contextTokens, {
      because: 'tokens of context a request may use',
      origin: input.workload.contextTokens === null ? 'workload' : 'user',
    }),
    flag('--cache-size', cacheTokens(input, verdict), {
      because: `tokens of all requests together, in pages of ${PAGE_TOKENS}`,
      origin: 'workload',
    }),
    flag('--max-batch-size', verdict.slots, {
      because: `${input.workload.concurrency} at once; more wait in its queue`,
      origin: 'workload',
    }),
    ...(reasoning === null
      ? []
      : [
          flag('--reasoning', reasoning, {
            because: 'this family thinks aloud: its thoughts apart from its answer',
            origin: 'model',
          }),
        ]),
    ...more,
    flag('--disable-auth', 'true', { because: 'only this machine reaches it' }),
    flag('--disable-fetch-requests', 'true', { because: 'it fetches nothing a request names' }),
  ];
}

function cacheTokens({ workload }: EngineInput, { contextTokens, slots }: VerdictOk): number {
  const requests = slots * (workload.promptTokens + workload.outputTokens);
  return Math.ceil(Math.max(contextTokens, requests) / PAGE_TOKENS) * PAGE_TOKENS;
}

export const TABBY_LOG: readonly LogRule[] = [
  { pattern: /(CUDA out of memory.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /error: (unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  // It takes the next port instead, so that we would talk to a stranger on ours.
  { pattern: /Port \d+ is currently in use/, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /Ports \d+ and \d+ are in use/, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /Application startup complete\./, isReady: true },
  { pattern: /Loading model modules.*?(\d+)%/, progress: 'reading weights', hasFraction: true },
];
