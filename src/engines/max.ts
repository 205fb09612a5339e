/**
 * MAX: compiled graphs that run on CPUs, NVIDIA and AMD cards alike. Everything about the CPU was
 * recorded with 26.7.0; what only a GPU shows is from its documentation.
 */
import { GIB } from '../base/units.ts';
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
  'structured-output',
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

/** `model_type` of families its model library has; Llama is the one that ran here. */
const ARCHITECTURES: readonly string[] = [
  'llama',
  'mistral',
  'qwen2',
  'qwen3',
  'qwen3_moe',
  'gemma3',
  'gemma3_text',
  'phi3',
  'olmo',
  'olmo2',
  'granite',
  'exaone',
  'deepseek_v2',
  'deepseek_v3',
  'gpt_oss',
];

/** Answered with 200 and not done: seen by comparing the answers. */
const FEATURES = features({
  n: 'ignored',
  logit_bias: 'ignored',
  min_tokens: 'ignored',
});

const RULES: CheckRules = {
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  fit: (target) => ({
    ...torchFit(
      // API 0.4, metrics 0.2, worker 2.1 to 2.8 GB with a model of 0.5 GB.
      {
        overheadBytesGpu: 2.5 * GIB,
        overheadBytesCpu: 2.5 * GIB,
        memoryShare: 0.9,
        slotsMax: 256,
      },
      target.device !== 'cpu',
    ),
    kvBytesPerElement: target.device === 'cpu' ? 4 : 2,
    // On the CPU everything is computed, and therefore kept, in float32.
    weightsFactor: (artifact) => (target.device === 'cpu' && !isFloat32(artifact) ? 2 : 1),
  }),
  extra: (input, target) => [
    ...checkArchitecture(input, ARCHITECTURES),
    ...checkStructured(input, target),
  ],
  refuseArtifact: (artifact, target) =>
    target.device === 'cpu'
      ? refuseNumberFormat(artifact, ['fp32', 'float32', 'bf16', 'bfloat16'])
      : refuseNumberFormat(artifact, ['bf16', 'bfloat16']),
};

function isFloat32({ quantization }: { readonly quantization: string | null }): boolean {
  return quantization === 'fp32' || quantization === 'float32';
}

/** `enable_structured_output is not currently supported on CPU`, it says at start. */
function checkStructured({ workload }: EngineInput, target: Target): readonly Reason[] {
  if (target.device !== 'cpu' || !workload.needs.includes('structured-output')) return [];
  return [
    {
      code: 'need-unsupported',
      because: 'refuses answers that match a JSON schema on the CPU',
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
    ...(isCpu
      ? [
          flag('--quantization-encoding', 'float32', {
            because: 'what it computes in on a CPU; bfloat16 is widened',
            origin: 'machine',
          }),
        ]
      : []),
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
  { pattern: /Starting server\.\.\./, progress: 'starting' },
  { pattern: /Starting subprocess: Model Worker/, progress: 'starting the worker' },
  { pattern: /Initializing model pipeline/, progress: 'configuring' },
  { pattern: /Building, compiling, and initializing model\.\.\./, progress: 'compiling' },
  { pattern: /Still compiling model/, progress: 'compiling' },
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
      build: input.installation?.build ?? 'max',
      args: planArguments(input, verdict),
      environment: {
        HF_HUB_OFFLINE: '1',
        // Stops what it sends out and keeps its metrics page.
        OTEL_SDK_DISABLED: 'true',
      },
      listen: 'tcp',
      readinessPath: '/health',
      // 249 s cold on two cores, 153 s of it compilation of a model with 30 layers.
      startMsMax: 900_000,
      shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
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
