/**
 * ExLlamaV3: EXL3 weights on consumer NVIDIA cards, served by TabbyAPI. Its flags are those of
 * TabbyAPI's parser at commit e632af4 (2026-08-13); never run, it needs an NVIDIA card.
 */
import { ENGINE_SPEC } from './engine.ts';
import type {
  CompanionSupport,
  Engine,
  EngineInput,
  FormatSupport,
  PlanArgument,
  Requirements,
  Trait,
  VerdictOk,
} from './engine.ts';
import { flag } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { DRAFT_TOKENS, DRAFT_TOKENS_WHY, DRAFT_WHY, draftPath } from './shared/companions.ts';
import { checkToolParser, parserOf, type FamilyRow } from './shared/families.ts';
import { features } from './shared/features.ts';
import { readByRules } from './shared/log-rules.ts';
import { makePlan } from './shared/plan.ts';
import {
  TABBY_FIT,
  TABBY_LOG,
  TABBY_METRICS,
  inFolder,
  tabbyArguments,
  tabbyGuide,
} from './shared/tabby-api.ts';

/** The release that TabbyAPI asks for at that commit. */
const VERSION_PINNED = '1.4.2';

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

/** Its sampler has no seed, and an end-of-text token always ends an answer. */
const FEATURES = features({ seed: 'ignored', ignore_eos: 'ignored' });

/** Names from its `toolcall_formats`; a family that is not here gets no tool calls. */
const TOOL_FORMATS: readonly FamilyRow[] = [
  { family: 'qwen3', named: /coder/i, parser: 'qwen3_coder' },
  { family: 'qwen3_next', parser: 'qwen3_coder' },
  { family: 'qwen3_5', parser: 'qwen3_coder' },
  { family: 'glm4_moe', parser: 'glm4_5' },
  { family: 'minimax_m2', parser: 'minimax_m2' },
  { family: 'mistral', parser: 'mistral' },
  { family: 'gemma4', parser: 'gemma4' },
  { family: 'deepseek_v4', parser: 'deepseek_v4' },
  { family: 'gpt_oss', parser: 'harmony' },
];

const COMPANIONS: CompanionSupport = { draft: { vocabularySlack: 0 } };

const RULES: CheckRules = {
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  fit: () => TABBY_FIT,
  companions: COMPANIONS,
  extra: (input) => checkToolParser(input, parserOf(input.model, TOOL_FORMATS)),
};

/** What only this generation has: tool formats, images, layers shared by cards. */
function ownArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { machine, model, workload } = input;
  const args: PlanArgument[] = [];
  const tools = workload.needs.includes('tools') ? parserOf(model, TOOL_FORMATS) : null;
  if (tools !== null) {
    args.push(flag('--tool-format', tools, { because: 'of this model family', origin: 'model' }));
  }
  if (workload.needs.includes('vision')) {
    args.push(flag('--vision', 'true', { because: 'requests hold images', origin: 'workload' }));
  }
  const draft = draftPath(input, verdict);
  if (draft !== null) {
    const { folder, name } = inFolder(draft);
    args.push(
      flag('--draft-model-dir', folder, { because: 'the folder above the draft', origin: 'user' }),
      flag('--draft-model-name', name, { because: DRAFT_WHY, origin: 'user' }),
      flag('--draft-num-tokens', DRAFT_TOKENS, { because: DRAFT_TOKENS_WHY }),
    );
  }
  if (verdict.accelerators.length > 1) {
    const cards = machine.accelerators.filter(
      ({ vendor, index }) => vendor === 'nvidia' && verdict.accelerators.includes(index),
    );
    const isLinked = cards.every(({ hasPeerLink }) => hasPeerLink === true);
    args.push(
      flag('--tensor-parallel', 'true', {
        because: `${cards.length} cards share every layer`,
        origin: 'machine',
      }),
      flag('--tensor-parallel-backend', isLinked ? 'nccl' : 'native', {
        because: isLinked ? 'the cards are linked' : 'the cards talk over PCIe',
        origin: 'machine',
      }),
    );
  }
  return args;
}

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
  guides: [tabbyGuide('e632af41eba68abeadc3437c62674360f2f8cbf1')],
  features: FEATURES,
  companions: COMPANIONS,
  check: (input) => checkEngine(RULES, input),
  plan: (input, verdict) =>
    makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? 'tabby-api',
      args: tabbyArguments(input, verdict, ownArguments(input, verdict)),
      environment: { CUDA_VISIBLE_DEVICES: verdict.accelerators.join(',') },
      listen: 'tcp',
      readinessPath: '/health',
      startMsMax: 300_000,
      shutdown: { signal: 'SIGTERM', graceMs: 5000 },
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'ExLlamaV3', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(TABBY_LOG, line),
  readMetrics: () => TABBY_METRICS,
};

export default engine;
