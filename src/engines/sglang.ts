/**
 * SGLang: prompts that share much, on GPUs. Its flags are those of the recorded `--help` of 0.5.23;
 * it was never started here, because it has no kernels for a machine without a GPU.
 */
import { GIB } from '../base/units.ts';
import { ENGINE_SPEC } from './engine.ts';
import type {
  Engine,
  EngineInput,
  FormatSupport,
  PlanArgument,
  Requirements,
  Trait,
  VerdictOk,
} from './engine.ts';
import { flag, toggle } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { pickMetrics } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { tensorDegree, torchFit } from './shared/torch.ts';

const VERSION_PINNED = '0.5.23';

/** Its own default takes more; what is left is for graphs and activations. */
const MEMORY_SHARE = 0.88;

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
  pythonMin: '3.10',
};

const FEATURES = features({});

const RULES: CheckRules = {
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
      },
      true,
    ),
};

function planArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { model, workload } = input;
  const degree = tensorDegree(verdict);
  const args: (PlanArgument | null)[] = [
    flag('--model-path', modelPath(model, verdict.artifact), {
      because: 'the folder',
      origin: 'model',
    }),
    flag('--served-model-name', '{served-name}', { because: 'the name in requests and replies' }),
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
      because: 'weights and KV cache; the rest is for graphs and activations',
    }),
    degree > 1
      ? flag('--tp-size', degree, {
          because: `${degree} equal cards share every layer`,
          origin: 'machine',
        })
      : null,
    workload.needs.includes('tools')
      ? flag('--tool-call-parser', 'auto', {
          because: 'found out from the chat template',
          origin: 'workload',
        })
      : null,
    workload.needs.includes('embeddings')
      ? toggle('--is-embedding', { because: 'vectors, not text', origin: 'workload' })
      : null,
    toggle('--enable-metrics', { because: 'counters for `ps` and measurements' }),
    toggle('--enable-cache-report', { because: 'usage says what the cache saved' }),
  ];
  return args.filter((arg) => arg !== null);
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
      build: input.installation?.build ?? 'sglang',
      args: planArguments(input, verdict),
      environment: {
        HF_HUB_OFFLINE: '1',
        // Its health check would generate a token into every measurement.
        SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION: '0',
        [verdict.device === 'amd' ? 'HIP_VISIBLE_DEVICES' : 'CUDA_VISIBLE_DEVICES']:
          verdict.accelerators.join(','),
      },
      listen: 'tcp',
      readinessPath: '/health',
      startMsMax: 600_000,
      shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
      parallel: { tensor: tensorDegree(verdict), pipeline: 1 },
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'SGLang', features: FEATURES }, request, plan),
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
