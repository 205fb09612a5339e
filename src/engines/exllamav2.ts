/**
 * ExLlamaV2: EXL2 weights only. TabbyAPI dropped it in July 2026; flags are those of its parser at
 * the last commit that has it, 79126f9 (2026-06-27); never run, it needs an NVIDIA card.
 */
import { ENGINE_SPEC } from './engine.ts';
import type { Engine, FormatSupport, Requirements, Trait } from './engine.ts';
import type { GenerateRequest } from './request.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { features } from './shared/features.ts';
import { readByRules } from './shared/log-rules.ts';
import { makePlan } from './shared/plan.ts';
import {
  TABBY_FIT,
  TABBY_LOG,
  TABBY_METRICS,
  tabbyArguments,
  tabbyGuide,
} from './shared/tabby-api.ts';

const VERSION_PINNED = '0.3.2';

const TRAITS: readonly Trait[] = ['exl-weights', 'structured-output', 'logprobs', 'multi-gpu'];

const FORMATS: readonly FormatSupport[] = [{ format: 'exl2', devices: ['nvidia'] }];

const REQUIREMENTS: Requirements = {
  platforms: ['linux'],
  architectures: ['x64'],
  devices: ['nvidia'],
  computeCapabilityMin: '8.0',
  nvidiaDriverMin: '550.54',
  glibcMin: '2.35',
  pythonMin: '3.10',
};

/** Its sampler is given no seed. */
const FEATURES = features({ seed: 'ignored' });

const RULES: CheckRules = {
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  fit: () => TABBY_FIT,
};

/** It takes what stands in `json_schema` for the schema itself, without a name around it. */
function bareSchema({ schema }: GenerateRequest): Readonly<Record<string, unknown>> {
  return schema === null ? {} : { response_format: { type: 'json_schema', json_schema: schema } };
}

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'exllamav2',
  name: 'ExLlamaV2',
  homepage: 'https://github.com/turboderp-org/exllamav2',
  license: 'MIT AND AGPL-3.0-only',
  command: 'python main.py',
  isDriven: false,
  versionPinned: VERSION_PINNED,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  environments: [],
  guides: [tabbyGuide('79126f904c2e00aece026b36bb70bbb87e4892b2')],
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
    chatRequest({ engineName: 'ExLlamaV2', features: FEATURES, fields: bareSchema }, request, plan),
  readLog: (line) => readByRules(TABBY_LOG, line),
  readMetrics: () => TABBY_METRICS,
};

export default engine;
