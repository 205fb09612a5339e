/**
 * TensorRT-LLM: NVIDIA's own engine, `trtllm-serve`. From its documentation only; its package
 * fetches libraries from NVIDIA's index and installs only where that is reachable.
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
import { flag, positional } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { pickMetrics } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { tensorDegree, torchFit } from './shared/torch.ts';
import { compareVersions } from './shared/versions.ts';

const VERSION_PINNED = '1.4.0';

/** Releases up to this one have `--backend`, with a build step behind one of its values. */
const VERSION_LAST_WITH_BACKENDS = '1.2.1';

/** Of what is free once the weights are loaded. */
const FREE_MEMORY_FRACTION = 0.9;

const TRAITS: readonly Trait[] = [
  'ahead-of-time',
  'compiled-graph',
  'continuous-batching',
  'paged-kv',
  'prefix-cache',
  'multi-gpu',
  'speculative',
  'lora',
  'structured-output',
  'tools',
  'logprobs',
  'vision',
];

const FORMATS: readonly FormatSupport[] = [
  { format: 'safetensors', devices: ['nvidia'] },
  { format: 'fp8', devices: ['nvidia'] },
  { format: 'awq', devices: ['nvidia'] },
  { format: 'gptq', devices: ['nvidia'] },
];

const REQUIREMENTS: Requirements = {
  platforms: ['linux'],
  architectures: ['x64', 'arm64'],
  devices: ['nvidia'],
  computeCapabilityMin: '8.0',
  nvidiaDriverMin: '580.65',
  glibcMin: '2.35',
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
        overheadBytesGpu: 4 * GIB,
        overheadBytesCpu: 0,
        memoryShare: FREE_MEMORY_FRACTION,
        slotsMax: 256,
      },
      true,
    ),
};

function planArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { model, workload, installation } = input;
  const degree = tensorDegree(verdict);
  const version = installation?.version ?? VERSION_PINNED;
  const args: (PlanArgument | null)[] = [
    positional(modelPath(model, verdict.artifact), { because: 'the folder', origin: 'model' }),
    flag('--host', '{host}', { because: 'this machine only' }),
    flag('--port', '{port}', { because: 'a port that was free just before' }),
    compareVersions(version, VERSION_LAST_WITH_BACKENDS) <= 0
      ? flag('--backend', 'pytorch', { because: 'loads checkpoints directly in this release' })
      : null,
    flag('--max_seq_len', verdict.contextTokens, {
      because: 'tokens of context a request may use',
      origin: workload.contextTokens === null ? 'workload' : 'user',
    }),
    flag('--max_batch_size', verdict.slots, {
      because: `${workload.concurrency} at once; more wait in its queue`,
      origin: 'workload',
    }),
    degree > 1
      ? flag('--tp_size', degree, {
          because: `${degree} equal cards share every layer`,
          origin: 'machine',
        })
      : null,
    flag('--free_gpu_memory_fraction', FREE_MEMORY_FRACTION, {
      because: 'KV cache; the rest is for activations',
    }),
  ];
  return args.filter((arg) => arg !== null);
}

const LOG_RULES: readonly LogRule[] = [
  { pattern: /(CUDA out of memory.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /Error: (No such option.*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /Errno 98\] .*(address already in use)/i, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /Application startup complete\./, isReady: true },
];

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'tensorrt-llm',
  name: 'TensorRT-LLM',
  homepage: 'https://nvidia.github.io/TensorRT-LLM',
  license: 'Apache-2.0',
  command: 'trtllm-serve',
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
      build: input.installation?.build ?? 'tensorrt-llm',
      args: planArguments(input, verdict),
      environment: {
        HF_HUB_OFFLINE: '1',
        CUDA_VISIBLE_DEVICES: verdict.accelerators.join(','),
      },
      listen: 'tcp',
      readinessPath: '/health',
      startMsMax: 900_000,
      shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
      parallel: { tensor: tensorDegree(verdict), pipeline: 1 },
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'TensorRT-LLM', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  readMetrics: (text) => pickMetrics(text, {}),
};

export default engine;
