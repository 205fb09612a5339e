/**
 * SGLang: prompts that share much, on GPUs. Its flags are those of the recorded `--help` of 0.5.23;
 * it was never started here, because it has no kernels for a machine without a GPU.
 */
import { GIB } from '../base/units.ts';
import { kvCacheBytesPerToken } from '../models/memory.ts';
import { ENGINE_SPEC } from './engine.ts';
import type {
  CompanionSupport,
  Engine,
  EngineInput,
  EnginePlan,
  FormatSupport,
  MemoryNeed,
  PlanArgument,
  Reason,
  Requirements,
  Trait,
  VerdictOk,
} from './engine.ts';
import { degree, flag, toggle } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { DRAFT_TOKENS, draftArguments, withDraft } from './shared/companions.ts';
import { cardBytesFree } from './shared/devices.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import {
  cardLayout,
  expertDegree,
  kvShareOfCard,
  verdictOfAll,
  type CardLayout,
} from './shared/layout.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { pickMetrics } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { torchFit } from './shared/torch.ts';

const VERSION_PINNED = '0.5.23';

/** Its own default takes more; what is left is for graphs and activations. */
const MEMORY_SHARE = 0.88;

/** Tokens it keeps for each that running requests need: as many again of prompts seen before. */
const POOL_FACTOR = 2;

const TRAITS: readonly Trait[] = [
  'prefix-cache',
  'continuous-batching',
  'paged-kv',
  'multi-gpu',
  'speculative',
  'lora',
  'structured-output',
  'tools',
  'logprobs',
  'vision',
  'embeddings',
];

const FORMATS: readonly FormatSupport[] = [
  { format: 'safetensors', devices: ['nvidia', 'amd'] },
  { format: 'fp8', devices: ['nvidia', 'amd'] },
  { format: 'awq', devices: ['nvidia'] },
  { format: 'gptq', devices: ['nvidia'] },
];

const REQUIREMENTS: Requirements = {
  platforms: ['linux'],
  architectures: ['x64', 'arm64'],
  devices: ['nvidia', 'amd'],
  // Releases after 0.5.19 need CUDA 13, and with it the 580 driver.
  computeCapabilityMin: '8.0',
  nvidiaDriverMin: '580.65',
  // Its guide for AMD covers the Instinct cards.
  gfx: ['gfx942', 'gfx950'],
  glibcMin: '2.34',
  // Its wheels are for 3.11 to 3.13; one of those it needs is for 3.12 at most.
  pythonMin: '3.11',
  pythonMax: '3.12',
};

const FEATURES = features({});

const COMPANIONS: CompanionSupport = { draft: { vocabularySlack: 0 }, adapter: 'safetensors' };

const RULES: CheckRules = {
  companions: COMPANIONS,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  fit: () =>
    torchFit(
      {
        overheadBytesGpu: 3 * GIB,
        overheadBytesCpu: 0,
        memoryShare: MEMORY_SHARE,
        slotsMax: 256,
        split: 'heads-then-layers',
      },
      true,
    ),
  extra: checkBoth,
};

/** Its start is refused with both: adapters go with drafts that are made for one model only. */
function checkBoth({ model }: EngineInput): readonly Reason[] {
  if (model.draft === undefined || model.adapter === undefined) return [];
  return [
    {
      code: 'companion-unsupported',
      because: 'takes no adapter beside a draft model of its own',
      hint: 'leave `--draft` or `--lora` out',
    },
  ];
}

/** In a name a colon begins the name of a LoRA adapter; replies carry the name without it. */
function servedName(name: string): string {
  return name.replaceAll(':', '-');
}

/** Tokens in the KV cache that one request finds; `null` = as many as there is room for. */
function poolTokens(
  input: EngineInput,
  { contextTokens, slots }: VerdictOk,
  layout: CardLayout,
): number | null {
  const { model, workload } = input;
  const { attention } = model;
  const pools = layout.copies * attentionCopies(input, layout);
  // States have a pool of their own, whose size follows the share of the memory.
  if (attention === null || attention.some(({ kind }) => kind === 'linear')) return null;
  const request = Math.min(workload.promptTokens + workload.outputTokens, contextTokens);
  return POOL_FACTOR * Math.max(contextTokens, Math.ceil(slots / pools) * request);
}

/** What it will take of all cards: the pool, as far as its share of what is free goes. */
function memoryTaken(input: EngineInput, verdict: VerdictOk, layout: CardLayout): MemoryNeed {
  const { machine, model } = input;
  const { memory } = verdictOfAll(input, verdict, layout);
  const cards = machine.accelerators.filter(({ index }) => layout.accelerators.includes(index));
  const free = cards.map((card) => cardBytesFree(machine, card)).filter((bytes) => bytes !== null);
  const room = MEMORY_SHARE * Math.min(...free) - memory.weightsBytes / cards.length;
  const tokens = poolTokens(input, verdict, layout);
  // A sliding window saves nothing here: those layers have a pool of nearly as many tokens.
  const bytes = withDraft(model).map((each) => kvCacheBytesPerToken(each, 2) ?? 0);
  const tokenBytes = bytes.reduce((sum, each) => sum + each, 0) * kvShareOfCard(model, layout);
  const pool = tokens === null ? Number.POSITIVE_INFINITY : tokens * tokenBytes;
  const bytesOnCard = Math.max(0, Math.min(pool, room));
  return Number.isFinite(bytesOnCard)
    ? { ...memory, kvCacheBytes: Math.round(bytesOnCard * cards.length) }
    : memory;
}

function planArguments(
  input: EngineInput,
  verdict: VerdictOk,
  layout: CardLayout,
): readonly PlanArgument[] {
  const { model, workload } = input;
  const tokens = poolTokens(input, verdict, layout);
  const args: (PlanArgument | null)[] = [
    flag('--model-path', modelPath(model, verdict.artifact), {
      because: 'the folder',
      origin: 'model',
    }),
    flag(
      '--served-model-name',
      servedName(model.name) === model.name ? '{served-name}' : servedName(model.name),
      { because: 'the name in requests and replies' },
    ),
    flag('--host', '{host}', { because: 'this machine only' }),
    flag('--port', '{port}', { because: 'a port that was free just before' }),
    flag('--context-length', verdict.contextTokens, {
      because: 'tokens of context a request may use',
      origin: workload.contextTokens === null ? 'workload' : 'user',
    }),
    flag('--max-running-requests', verdict.slots, {
      because: `${workload.concurrency} at once; more wait in its queue`,
      origin: 'workload',
    }),
    flag('--mem-fraction-static', MEMORY_SHARE, {
      because: 'weights and KV cache of what is free; the rest is for graphs and activations',
    }),
    tokens === null
      ? null
      : flag('--max-total-tokens', tokens, {
          because: 'of the requests, and as many of earlier prompts: not all of a large card',
          origin: 'workload',
        }),
    ...spreadArguments(input, layout),
    ...modelArguments(input),
    ...companionArguments(input, verdict),
    flag('--sampling-defaults', 'openai', { because: 'no sampling defaults behind our back' }),
    toggle('--enable-metrics', { because: 'counters for `ps` and measurements' }),
    toggle('--enable-cache-report', { because: 'usage says what the cache saved' }),
  ];
  return args.filter((arg) => arg !== null);
}

/** Cards of a copy that each keep the cache of other requests; 1 = all keep that of all. */
function attentionCopies({ model, workload }: EngineInput, { tensor }: CardLayout): number {
  const isLatent = model.attention?.some(({ kind }) => kind === 'mla') ?? false;
  // It proposes by a draft model only where all cards keep the cache of all requests.
  const isCrowd =
    expertDegree(model, tensor) > 1 && workload.concurrency >= tensor && model.draft === undefined;
  return isLatent && isCrowd ? tensor : 1;
}

/** How the cards share the work. */
function spreadArguments(input: EngineInput, layout: CardLayout): readonly (PlanArgument | null)[] {
  const { tensor, pipeline, copies } = layout;
  const experts = expertDegree(input.model, tensor);
  return [
    degree('--tp-size', tensor, `${tensor} equal cards share every layer`),
    degree('--pp-size', pipeline, `${pipeline} stages, each with its own layers`),
    degree('--dp-size', copies, `${copies} copies of the model share the requests`),
    degree('--ep-size', experts, `whole experts on each of ${experts} cards, not a slice of each`),
    degree(
      '--attn-dp-size',
      attentionCopies(input, layout),
      'a latent KV cache cannot be cut by heads: each card keeps that of other requests',
    ),
  ];
}

/** What this model is and what requests need of it. */
function modelArguments({ model, workload }: EngineInput): readonly (PlanArgument | null)[] {
  if (workload.needs.includes('embeddings')) {
    return [toggle('--is-embedding', { because: 'vectors, not text', origin: 'workload' })];
  }
  return [
    flag('--reasoning-parser', 'auto', {
      because: 'thoughts apart from the answer, where the chat template has them',
      origin: 'model',
    }),
    workload.needs.includes('tools')
      ? flag('--tool-call-parser', 'auto', {
          because: 'found out from the chat template',
          origin: 'workload',
        })
      : null,
    workload.needs.includes('lora') && model.adapter === undefined
      ? toggle('--enable-lora', { because: 'requests name an adapter', origin: 'workload' })
      : null,
  ];
}

/** A request says `model:adapter`. */
const ADAPTER_NAME = 'adapter';
const ADAPTER_FLAG = '--lora-paths';

function companionArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { adapter } = input.model;
  const draft = draftArguments(input, verdict, {
    path: '--speculative-draft-model-path',
    tokens: '--speculative-num-steps',
  });
  const args: PlanArgument[] = [];
  if (draft.length > 0) {
    args.push(
      flag('--speculative-algorithm', 'STANDALONE', {
        because: 'a draft model of its own',
        origin: 'user',
      }),
      ...draft,
      flag('--speculative-eagle-topk', 1, { because: 'one proposal, not a tree of them' }),
      flag('--speculative-num-draft-tokens', DRAFT_TOKENS + 1, {
        because: 'those and the one it adds itself are checked together',
      }),
    );
  }
  if (adapter !== undefined) {
    args.push(
      flag(ADAPTER_FLAG, `${ADAPTER_NAME}=${adapter.path}`, {
        because: 'answers are given with this adapter',
        origin: 'user',
      }),
    );
  }
  return args;
}

/** What a request asks for: the served name, and the adapter behind a colon. */
function requestName({ model, args }: EnginePlan): string {
  const name = servedName(model.name);
  return args.some(({ flag }) => flag === ADAPTER_FLAG) ? `${name}:${ADAPTER_NAME}` : name;
}

const LOG_RULES: readonly LogRule[] = [
  { pattern: /error: (unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /ImportError: (libcuda\.so.*)/, code: 'HL_ENGINE_EXITED' },
  { pattern: /Errno 98\] .*(address already in use)/i, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /(CUDA out of memory.*|Not enough memory\..*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /The server is fired up and ready to roll!/, isReady: true },
  { pattern: /Load weight begin/, progress: 'reading weights' },
  { pattern: /checkpoint shards: +(\d+)%/, progress: 'reading weights', hasFraction: true },
  { pattern: /KV Cache is allocated/, progress: 'KV cache made' },
  { pattern: /Capture cuda graph begin/, progress: 'capturing graphs' },
];

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'sglang',
  name: 'SGLang',
  homepage: 'https://docs.sglang.io',
  license: 'Apache-2.0',
  command: 'python -m sglang.launch_server',
  isDriven: true,
  versionPinned: VERSION_PINNED,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  environments: [
    {
      id: 'cuda',
      when: { platforms: ['linux'], devices: ['nvidia'] },
      lock: 'cuda.lock.txt',
      index: null,
      // On disk as measured; the download is taken from vLLM's, whose libraries are the same.
      bytesDownload: 4_000_000_000,
      bytesOnDisk: 9_500_000_000,
    },
  ],
  guides: [
    {
      when: { platforms: ['linux'], devices: ['amd'] },
      because: 'its builds for ROCm are in images of its project, on no package index',
      hint: 'https://docs.sglang.io says how to get one',
    },
  ],
  features: FEATURES,
  companions: COMPANIONS,
  check: (input) => checkEngine(RULES, input),
  plan: (input, verdict) => {
    const layout = cardLayout(input, verdict);
    const { device } = verdict;
    const memory = memoryTaken(input, verdict, layout);
    return makePlan(
      engine,
      input,
      { ...verdict, accelerators: layout.accelerators, memory },
      {
        version: input.installation?.version ?? VERSION_PINNED,
        build: input.installation?.build ?? 'sglang',
        args: planArguments(input, verdict, layout),
        environment: {
          HF_HUB_OFFLINE: '1',
          // Its health check would generate a token into every measurement.
          SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION: '0',
          // What was compiled once is there at the next start; the defaults lie in the home folder.
          TORCHINDUCTOR_CACHE_DIR: '{cache}/inductor',
          TRITON_CACHE_DIR: '{cache}/triton',
          [device === 'amd' ? 'HIP_VISIBLE_DEVICES' : 'CUDA_VISIBLE_DEVICES']:
            layout.accelerators.join(','),
        },
        listen: 'tcp',
        readinessPath: '/health',
        startMsMax: 600_000,
        shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
        parallel: { tensor: layout.tensor, pipeline: layout.pipeline },
      },
    );
  },
  adaptRequest: (request, plan) =>
    chatRequest(
      { engineName: 'SGLang', features: FEATURES, model: requestName(plan) },
      request,
      plan,
    ),
  readLog: (line) => readByRules(LOG_RULES, line),
  readMetrics: (text) =>
    pickMetrics(text, {
      requestsRunning: ['sglang:num_running_reqs'],
      requestsWaiting: ['sglang:num_queue_reqs'],
      kvCacheUse: ['sglang:token_usage'],
      promptTokensTotal: ['sglang:prompt_tokens_total', 'sglang:prompt_tokens'],
      outputTokensTotal: ['sglang:generation_tokens_total', 'sglang:generation_tokens'],
      prefixCacheHitRatio: ['sglang:cache_hit_rate'],
    }),
};

export default engine;
