/**
 * MAX: compiled graphs that run on CPUs, NVIDIA and AMD cards alike. Everything about the CPU was
 * seen with 26.7.0; what only a GPU shows is from its documentation and source.
 */
import { GIB } from '../base/units.ts';
import type { Artifact, ModelInfo } from '../models/model.ts';
import { ENGINE_SPEC } from './engine.ts';
import type {
  Engine,
  EngineInput,
  FormatSupport,
  PlanArgument,
  Reason,
  Requirements,
  Trait,
  VerdictOk,
} from './engine.ts';
import { flag } from './shared/args.ts';
import { isFloat32 } from './shared/artifacts.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import type { Target } from './shared/devices.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { pickMetrics } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { checkArchitecture, refuseNumberFormat, tensorDegree, torchFit } from './shared/torch.ts';

const VERSION_PINNED = '26.7.0';

const TRAITS: readonly Trait[] = [
  'portable',
  'compiled-graph',
  'continuous-batching',
  'prefix-cache',
  'paged-kv',
  'cpu-capable',
  'multi-gpu',
  'tools',
  'logprobs',
];

const FORMATS: readonly FormatSupport[] = [
  { format: 'safetensors', devices: ['cpu', 'nvidia', 'amd'] },
  { format: 'fp8', devices: ['nvidia', 'amd'] },
];

const REQUIREMENTS: Requirements = {
  platforms: ['linux', 'darwin'],
  architectures: ['x64', 'arm64'],
  devices: ['nvidia', 'amd', 'cpu'],
  computeCapabilityMin: '7.5',
  nvidiaDriverMin: '580.65',
  gfx: ['gfx942', 'gfx950', 'gfx1100', 'gfx1101', 'gfx1151', 'gfx1200', 'gfx1201'],
  glibcMin: '2.34',
  pythonMin: '3.10',
};

/**
 * `model_type` of families its model library has, with the numbers it computes each in: the
 * `SUPPORTED_ENCODINGS` of 26.7.0. Llama is the one that ran here.
 */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  llama: ['float32', 'bfloat16', 'fp8'],
  llama4: ['bfloat16', 'fp8'],
  mistral: ['bfloat16'],
  qwen2: ['float32', 'bfloat16'],
  qwen3: ['float32', 'bfloat16', 'fp8'],
  qwen3_moe: ['float32', 'bfloat16', 'fp8'],
  gemma3: ['bfloat16'],
  gemma3_text: ['bfloat16'],
  phi3: ['float32', 'bfloat16'],
  olmo: ['float32', 'bfloat16'],
  olmo2: ['float32', 'bfloat16'],
  olmo3: ['bfloat16'],
  granite: ['float32', 'bfloat16'],
  lfm2: ['float32', 'bfloat16'],
  deepseek_v2: ['bfloat16'],
  deepseek_v3: ['bfloat16', 'fp8'],
  gpt_oss: ['bfloat16'],
};

/** Answered with 200 and not done: seen by comparing the answers. A field it has not is a 400. */
const FEATURES = features({
  n: 'ignored',
  logit_bias: 'ignored',
  // Without `--enable-min-tokens`, which compiles another sampler.
  min_tokens: 'ignored',
  // Without `--enable-structured-output`, which a server on a CPU refuses at its start.
  json_schema: 'refused',
});

const RULES: CheckRules = {
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  fit: (target) => ({
    ...torchFit(
      // On a CPU, all processes together, weights and KV cache aside: 1.4 GiB once it serves, 3.0 GiB
      // while it compiled a model of 0.5 GiB.
      {
        overheadBytesGpu: 2.5 * GIB,
        overheadBytesCpu: 3 * GIB,
        memoryShare: 0.9,
        slotsMax: 256,
      },
      target.device !== 'cpu',
    ),
    // On the CPU everything is computed, and therefore kept, in float32; it makes pages for all
    // requests at their full length at once: 128 and one of 128 tokens for 8 times 2,048.
    kvBytesPerElement: () => (target.device === 'cpu' ? 4 : 2),
    kvCache: target.device === 'cpu' ? 'reserved' : 'paged',
    weightsFactor: (artifact) => (target.device === 'cpu' && !isFloat32(artifact) ? 2 : 1),
  }),
  extra: (input, target) => [
    ...checkMac(input),
    ...checkArchitecture(input, Object.keys(ARCHITECTURES)),
    ...checkNumbers(input, target),
    ...checkTools(input),
  ],
};

function refuseArtifact({ architecture }: ModelInfo, artifact: Artifact): Reason | null {
  const has = ARCHITECTURES[architecture ?? ''];
  if (artifact.format === 'fp8' && has?.includes('fp8') === false) {
    const because = `computes \`${architecture ?? ''}\` in ${has.join(' or ')}, not in fp8`;
    return { code: 'format-unsupported', because, hint: null };
  }
  // It casts between these two as it loads, in both directions.
  return refuseNumberFormat(artifact, ['fp32', 'float32', 'bf16', 'bfloat16']);
}

/** What the device computes in, if the library has the family in it. */
function checkNumbers({ model }: EngineInput, target: Target): readonly Reason[] {
  const has = ARCHITECTURES[model.architecture ?? ''];
  const needed = target.device === 'cpu' ? 'float32' : 'bfloat16';
  if (has === undefined || has.includes(needed)) return [];
  return [
    {
      code: 'format-unsupported',
      because: `computes \`${model.architecture ?? ''}\` in ${has.join(' or ')}, and on a CPU in float32 alone`,
      hint: null,
    },
  ];
}

function checkMac({ machine }: EngineInput): readonly Reason[] {
  if (machine.os.platform !== 'darwin' || machine.cpu.architecture !== 'x64') return [];
  return [
    {
      code: 'architecture-unsupported',
      because: 'has builds for Apple Silicon on macOS, this CPU is x64',
      hint: null,
    },
  ];
}

/**
 * Of the families above, those its library has a parser of tool calls for. Llama has none: a call
 * that was required was answered with 200 and in plain text.
 */
const TOOL_FAMILIES: readonly string[] = ['deepseek_v3'];

function checkTools({ model, workload }: EngineInput): readonly Reason[] {
  const { architecture } = model;
  if (!workload.needs.includes('tools')) return [];
  if (architecture === null || TOOL_FAMILIES.includes(architecture)) return [];
  return [
    {
      code: 'need-unsupported',
      because: `has no tool-call parser for the architecture \`${architecture}\``,
      hint: null,
    },
  ];
}

function planArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { model, workload } = input;
  const isCpu = verdict.device === 'cpu';
  const devices = isCpu ? 'cpu' : `gpu:${verdict.accelerators.join(',')}`;
  return [
    flag('--model', modelPath(model, verdict.artifact), { because: 'the folder', origin: 'model' }),
    flag('--served-model-name', '{served-name}', { because: 'the name in requests and replies' }),
    flag('--host', '{host}', { because: 'its own default is every interface' }),
    flag('--port', '{port}', { because: 'a port that was free just before' }),
    flag('--devices', devices, {
      because: isCpu ? 'the CPU' : 'these cards',
      origin: 'machine',
    }),
    ...encodingArguments(verdict),
    flag('--max-length', verdict.contextTokens, {
      because: 'tokens of context a request may use',
      origin: workload.contextTokens === null ? 'workload' : 'user',
    }),
    flag('--max-batch-size', verdict.slots, {
      because: `${workload.concurrency} at once; more wait in its queue`,
      origin: 'workload',
    }),
  ];
}

function encodingArguments({ device, artifact }: VerdictOk): readonly PlanArgument[] {
  const name = '--quantization-encoding';
  if (device === 'cpu') {
    const because = 'what it computes in on a CPU; bfloat16 is widened';
    return [flag(name, 'float32', { because, origin: 'machine' })];
  }
  if (artifact.format === 'fp8') {
    return [flag(name, 'float8_e4m3fn', { because: 'as the weights are', origin: 'model' })];
  }
  const because = 'what it computes in on a card; float32 is narrowed';
  return [flag(name, 'bfloat16', { because, origin: 'machine' })];
}

/** What a start means to it: quiet, local, and with what it compiled kept for the next one. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  HF_HUB_OFFLINE: '1',
  // Stops what it sends out and keeps its metrics page, unlike `MAX_SERVE_DISABLE_TELEMETRY`.
  OTEL_SDK_DISABLED: 'true',
  // The page is then part of its own server. Otherwise a process more serves it on a port of its
  // own, 8001 if none is named, which two of them cannot share; and a start takes 3 s longer.
  MAX_SERVE_METRIC_RECORDING_METHOD: 'ASYNCIO',
  MODULAR_CACHE_DIR: '{cache}',
};

const LOG_RULES: readonly LogRule[] = [
  { pattern: /Error: (No such option .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /ValueError: (The network port \d+ is already in use)/, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /HFValidationError: (.*)/, code: 'HL_MODEL_NOT_FOUND' },
  {
    pattern: /(No config\.json or scheduler_config\.json found.*)/,
    code: 'HL_MODEL_FORMAT_UNSUPPORTED',
  },
  {
    pattern: /ValueError: (The checkpoint .* does not recognize this architecture)/,
    code: 'HL_MODEL_FORMAT_UNSUPPORTED',
  },
  { pattern: /ValueError: (enable_structured_output .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /ERROR: (Worker crashed \(.*\))/, code: 'HL_ENGINE_EXITED' },
  { pattern: /(out of memory.*)/i, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /Server ready on /, isReady: true },
  { pattern: /Auto-detected pipeline task/, progress: 'configuring' },
  { pattern: /Starting server\.\.\./, progress: 'server process' },
  { pattern: /Starting subprocess: Model Worker/, progress: 'worker process' },
  { pattern: /Initializing model pipeline/, progress: 'initializing the model' },
  { pattern: /Building, compiling, and initializing model\.\.\./, progress: 'compiling' },
  { pattern: /Still compiling model/, progress: 'compiling' },
  {
    pattern: /Building, compiling, and initializing sampler\.\.\./,
    progress: 'compiling the sampler',
  },
  { pattern: /Compiling sampler took/, progress: 'compiled' },
  { pattern: /Model worker ready/, progress: 'opening the server' },
];

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'max',
  name: 'MAX',
  homepage: 'https://docs.modular.com/max',
  license: 'LicenseRef-Modular-Community',
  command: 'max serve',
  isDriven: true,
  versionPinned: VERSION_PINNED,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  // The same packages compile for every device; how much of it a GPU was seen to use: nothing yet.
  environments: [
    {
      id: 'all',
      when: { platforms: ['linux', 'darwin'], devices: ['cpu', 'nvidia', 'amd'] },
      lock: 'all.lock.txt',
      index: null,
      bytesDownload: 362_000_000,
      bytesOnDisk: 1_250_000_000,
    },
  ],
  features: FEATURES,
  check: (input) =>
    checkEngine(
      { ...RULES, refuseArtifact: (artifact) => refuseArtifact(input.model, artifact) },
      input,
    ),
  plan: (input, verdict) =>
    makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? 'max',
      args: planArguments(input, verdict),
      environment: ENVIRONMENT,
      listen: 'tcp',
      readinessPath: '/health',
      // 249 s cold on two quiet cores, 153 s of it compilation of a model with 30 layers; a busy
      // machine takes a multiple, and the stall timer ends a start that is dead.
      startMsMax: 1_800_000,
      // It has nothing to finish. Idle it takes 3 s to leave, compiling it does not listen at all;
      // what a killed one leaves behind, its guard removes.
      shutdown: { signal: 'SIGTERM', graceMs: 1000 },
      parallel: { tensor: tensorDegree(verdict), pipeline: 1 },
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'MAX', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  readMetrics: (text) =>
    pickMetrics(text, {
      requestsRunning: ['maxserve_num_requests_running'],
      requestsWaiting: ['maxserve_num_requests_queued', 'maxserve_num_requests_awaiting_admission'],
      promptTokensTotal: ['maxserve_num_input_tokens_total'],
      outputTokensTotal: ['maxserve_num_output_tokens_total'],
    }),
};

export default engine;
