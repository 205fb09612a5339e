/**
 * ExLlamaV3: EXL3 weights on consumer NVIDIA cards, served by TabbyAPI. From documentation only.
 */
import { ENGINE_SPEC } from './engine.ts';
import type { Engine, EngineMetrics, FormatSupport, Requirements, Trait } from './engine.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { features } from './shared/features.ts';
import { readByRules } from './shared/log-rules.ts';
import { makePlan } from './shared/plan.ts';
import { TABBY_FIT, TABBY_LOG, tabbyArguments } from './shared/tabby-api.ts';

const VERSION_PINNED = '1.6';

const TRAITS: readonly Trait[] = [
  'exl-weights',
  'structured-output',
  'tools',
  'logprobs',
  'vision',
  'multi-gpu',
  'speculative',
];

const FORMATS: readonly FormatSupport[] = [{ format: 'exl3', devices: ['nvidia'] }];

const REQUIREMENTS: Requirements = {
  platforms: ['linux'],
  architectures: ['x64'],
  devices: ['nvidia'],
  computeCapabilityMin: '8.0',
  nvidiaDriverMin: '550.54',
  glibcMin: '2.35',
  pythonMin: '3.10',
};

const FEATURES = features({});

const RULES: CheckRules = {
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  fit: () => TABBY_FIT,
};

/** Its server has no metrics page. */
const NO_METRICS: EngineMetrics = {
  requestsRunning: null,
  requestsWaiting: null,
  kvCacheUse: null,
  prefixCacheHitRatio: null,
  promptTokensTotal: null,
  outputTokensTotal: null,
};

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'exllamav3',
  name: 'ExLlamaV3',
  homepage: 'https://github.com/turboderp-org/exllamav3',
  license: 'MIT AND AGPL-3.0-only',
  command: 'python main.py',
  isDriven: false,
  versionPinned: VERSION_PINNED,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  environments: [],
  features: FEATURES,
  check: (input) => checkEngine(RULES, input),
  plan: (input, verdict) =>
    makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? 'tabby-api',
      args: tabbyArguments(input, verdict),
      environment: { CUDA_VISIBLE_DEVICES: verdict.accelerators.join(',') },
      listen: 'tcp',
      readinessPath: '/health',
      startMsMax: 300_000,
      shutdown: { signal: 'SIGTERM', graceMs: 5000 },
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'ExLlamaV3', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(TABBY_LOG, line),
  readMetrics: () => NO_METRICS,
};

export default engine;
