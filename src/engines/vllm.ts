/**
 * vLLM: many users at once on GPUs, and on CPUs with bfloat16 arithmetic. Flags and logs were
 * recorded with 0.32.0 on a CPU; what only a GPU shows is from its documentation.
 */
import { GIB } from '../base/units.ts';
import { ENGINE_SPEC } from './engine.ts';
import type {
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
import { flag, positional, toggle } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import type { Target } from './shared/devices.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { pickMetrics, ratioOf, readSamples } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { listenArguments } from './shared/listen.ts';
import { computeThreads } from './shared/threads.ts';
import { byFamily, kvCacheGib, tensorDegree, torchFit } from './shared/torch.ts';

const VERSION_PINNED = '0.32.0';

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
  { format: 'safetensors', devices: ['nvidia', 'amd', 'cpu'] },
  { format: 'fp8', devices: ['nvidia', 'amd'] },
  { format: 'awq', devices: ['nvidia', 'amd'] },
  { format: 'gptq', devices: ['nvidia', 'amd'] },
];

const REQUIREMENTS: Requirements = {
  platforms: ['linux'],
  architectures: ['x64', 'arm64'],
  devices: ['nvidia', 'amd', 'cpu'],
  // Its documentation, 2026: T4 and newer; wheels for CUDA 13 need the 580 driver.
  computeCapabilityMin: '7.5',
  nvidiaDriverMin: '580.65',
  gfx: ['gfx942', 'gfx950', 'gfx1100', 'gfx1101', 'gfx1150', 'gfx1151', 'gfx1200', 'gfx1201'],
  isaX64: ['avx2'],
  glibcMin: '2.35',
  pythonMin: '3.11',
};

const FEATURES = features({});

/** Names from `vllm serve --help`; a family that is not here gets no tool calls. */
const TOOL_PARSERS: Readonly<Record<string, string>> = {
  llama4: 'llama4_pythonic',
  llama: 'llama3_json',
  qwen3_coder: 'qwen3_coder',
  qwen: 'hermes',
  mistral: 'mistral',
  deepseek_v3: 'deepseek_v3',
  deepseek_v4: 'deepseek_v4',
  gpt_oss: 'openai',
  glm4: 'glm45',
  kimi_k2: 'kimi_k2',
  granite: 'granite',
  gemma4: 'gemma4',
  olmo3: 'olmo3',
};

const RULES: CheckRules = {
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  // Three processes hold 4.8 GB on the CPU with a model of 0.3 GB and 1 GiB of KV cache.
  fit: (target) =>
    torchFit(
      {
        overheadBytesGpu: 2.5 * GIB,
        overheadBytesCpu: 3.5 * GIB,
        memoryShare: 0.92,
        slotsMax: 256,
      },
      target.device !== 'cpu',
    ),
  extra: (input, target) => [...checkCpu(input, target), ...checkTools(input)],
};

function checkCpu({ machine }: EngineInput, target: Target): readonly Reason[] {
  if (target.device !== 'cpu' || machine.cpu.architecture !== 'arm64') return [];
  return [
    {
      code: 'architecture-unsupported',
      because: 'its CPU package was proven on x86-64 only, this CPU is arm64',
      hint: null,
    },
  ];
}

function checkTools({ model, workload }: EngineInput): readonly Reason[] {
  if (!workload.needs.includes('tools') || toolParser(model) !== null) return [];
  return [
    {
      code: 'need-unsupported',
      because: `has no tool-call parser for the architecture \`${model.architecture ?? 'unknown'}\``,
      hint: null,
    },
  ];
}

/** An unknown architecture may be anything: the parser most templates agree with. */
function toolParser(model: EngineInput['model']): string | null {
  return model.architecture === null ? 'hermes' : byFamily(model, TOOL_PARSERS);
}

function planArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { model, workload } = input;
  const degree = tensorDegree(verdict);
  const isPooling = workload.needs.includes('embeddings') || workload.needs.includes('rerank');
  const parser = workload.needs.includes('tools') ? toolParser(model) : null;
  const args: (PlanArgument | null)[] = [
    positional(modelPath(model, verdict.artifact), { because: 'the folder', origin: 'model' }),
    flag('--served-model-name', '{served-name}', { because: 'the name in requests and replies' }),
    ...listenArguments(input, '--uds'),
    flag('--max-model-len', verdict.contextTokens, {
      because: 'tokens of context a request may use',
      origin: workload.contextTokens === null ? 'workload' : 'user',
    }),
    flag('--max-num-seqs', verdict.slots, {
      because: `${workload.concurrency} at once; more wait in its queue`,
      origin: 'workload',
    }),
    degree > 1
      ? flag('--tensor-parallel-size', degree, {
          because: `${degree} equal cards share every layer`,
          origin: 'machine',
        })
      : null,
    isPooling
      ? flag('--runner', 'pooling', { because: 'vectors, not text', origin: 'workload' })
      : null,
    // 90 s of compilation on two cores: many answers later it has paid for itself.
    verdict.device === 'cpu' && workload.concurrency === 1
      ? toggle('--enforce-eager', {
          because: 'one user on a CPU waits longer for the compiler than for the answer',
          origin: 'workload',
        })
      : null,
    verdict.device === 'cpu'
      ? null
      : flag('--kv-cache-memory-bytes', verdict.memory.kvCacheBytes, {
          because: 'bytes, not a share of the card: another model may stand beside it',
          origin: 'workload',
        }),
    parser === null
      ? null
      : toggle('--enable-auto-tool-choice', {
          because: 'without it tool calls are answered with 400',
          origin: 'workload',
        }),
    parser === null
      ? null
      : flag('--tool-call-parser', parser, { because: 'of this model family', origin: 'model' }),
    flag('--generation-config', 'vllm', { because: 'no sampling defaults behind our back' }),
    toggle('--enable-prompt-tokens-details', { because: 'usage says what the cache saved' }),
  ];
  return args.filter((arg) => arg !== null);
}

function planEnvironment({ machine }: EngineInput, verdict: VerdictOk): Record<string, string> {
  const quiet = {
    HF_HUB_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
    DO_NOT_TRACK: '1',
    // What was compiled once is there at the next start; their defaults end with the session.
    VLLM_CACHE_ROOT: '{cache}/vllm',
    TORCHINDUCTOR_CACHE_DIR: '{cache}/inductor',
  };
  if (verdict.device === 'cpu') {
    const threads = computeThreads(machine);
    return {
      ...quiet,
      VLLM_CPU_KVCACHE_SPACE: String(kvCacheGib(verdict)),
      // `auto` keeps a core for itself: half of a machine with two.
      VLLM_CPU_OMP_THREADS_BIND: 'nobind',
      ...(threads === null ? {} : { OMP_NUM_THREADS: String(threads) }),
    };
  }
  const name = verdict.device === 'amd' ? 'HIP_VISIBLE_DEVICES' : 'CUDA_VISIBLE_DEVICES';
  return { ...quiet, [name]: verdict.accelerators.join(',') };
}

const LOG_RULES: readonly LogRule[] = [
  { pattern: /(ambiguous option: .*|unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /Errno 98\] (Address already in use)/, code: 'HL_ENGINE_PORT_BUSY' },
  {
    pattern: /(User-specified max_model_len .* is greater than the derived max_model_len)/,
    code: 'HL_CONTEXT_EXCEEDED',
  },
  { pattern: /ValueError: (To serve at least one request.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /(CUDA out of memory.*|HIP out of memory.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /HFValidationError: (.*)/, code: 'HL_MODEL_NOT_FOUND' },
  {
    pattern: /(Model architectures .* are not supported.*|does not recognize this architecture)/,
    code: 'HL_MODEL_FORMAT_UNSUPPORTED',
  },
  { pattern: /Application startup complete\./, isReady: true },
  { pattern: /checkpoint shards: +(\d+)%/, progress: 'reading weights', hasFraction: true },
  { pattern: /Starting to load model /, progress: 'reading weights' },
  { pattern: /Warming up model for the compilation/, progress: 'compiling' },
  { pattern: /Warming up done\./, progress: 'compiled' },
  { pattern: /KV cache size: [\d,]+ tokens/, progress: 'KV cache made' },
  { pattern: /Capturing CUDA graphs.*?(\d+)%/, progress: 'capturing graphs', hasFraction: true },
  { pattern: /Resolved architecture: /, progress: 'configuring' },
  { pattern: /Starting vLLM server on /, progress: 'opening the server' },
];

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
  features: FEATURES,
  check: (input) => checkEngine(RULES, input),
  plan: (input, verdict) =>
    makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? (verdict.device === 'cpu' ? 'vllm-cpu' : 'vllm'),
      args: planArguments(input, verdict),
      environment: planEnvironment(input, verdict),
      listen: input.listen ?? 'unix',
      readinessPath: '/health',
      // 182 s cold on two cores, half of it compilation; a large model compiles for longer.
      startMsMax: 600_000,
      shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
      parallel: { tensor: tensorDegree(verdict), pipeline: 1 },
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'vLLM', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  readMetrics,
};

export default engine;
