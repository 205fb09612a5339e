/**
 * TensorRT-LLM: NVIDIA's own engine, `trtllm-serve`. Its flags are those of its parser's source;
 * never run, it needs an NVIDIA card and NVIDIA's own package index.
 */
import { GIB } from '../base/units.ts';
import type { Artifact } from '../models/model.ts';
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
import { degree, flag, positional } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import type { Target } from './shared/devices.ts';
import { checkToolParser, parserOf, type FamilyRow } from './shared/families.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import { cardLayout, expertDegree, type CardLayout } from './shared/layout.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { pickMetrics } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { torchFit } from './shared/torch.ts';
import { compareVersions } from './shared/versions.ts';

/** The newest that the package index names; what it holds there fetches the real package. */
const VERSION_PINNED = '1.2.1';

/** Releases up to this one have a build step behind one value of `--backend`. */
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

/** Names of `--tool_parser` in this release and later ones; other families get no tool calls. */
const TOOL_PARSERS: readonly FamilyRow[] = [
  { family: 'qwen3', named: /coder/i, parser: 'qwen3_coder' },
  { family: 'qwen3', parser: 'qwen3' },
  { family: 'kimi_k2', parser: 'kimi_k2' },
  { family: 'deepseek_v32', parser: 'deepseek_v32' },
];

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
        split: 'heads-then-layers',
      },
      true,
    ),
  extra: (input) => checkToolParser(input, parserOf(input.model, TOOL_PARSERS)),
  refuseArtifact: refuseFp8,
};

/** NVIDIA's support matrix (2026): FP8 on Ada and later. */
const FP8_CAPABILITY_MIN = '8.9';

function refuseFp8(artifact: Artifact, { cards }: Target): Reason | null {
  const old = cards.find(
    ({ computeCapability }) =>
      computeCapability !== null && compareVersions(computeCapability, FP8_CAPABILITY_MIN) < 0,
  );
  if (artifact.format !== 'fp8' || old === undefined) return null;
  return {
    code: 'compute-capability-too-low',
    because: `computes fp8 from compute capability ${FP8_CAPABILITY_MIN} on, ${old.name} has ${old.computeCapability}`,
    hint: 'name a version of the model in safetensors or awq',
  };
}

function planArguments(
  input: EngineInput,
  verdict: VerdictOk,
  { tensor, pipeline }: CardLayout,
): readonly PlanArgument[] {
  const { model, workload, installation } = input;
  const version = installation?.version ?? VERSION_PINNED;
  const tools = workload.needs.includes('tools') ? parserOf(model, TOOL_PARSERS) : null;
  const experts = expertDegree(model, tensor);
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
    degree('--tp_size', tensor, `${tensor} equal cards share every layer`),
    degree('--pp_size', pipeline, `${pipeline} stages, each with its own layers`),
    degree('--ep_size', experts, `whole experts on each of ${experts} cards`),
    tools === null
      ? null
      : flag('--tool_parser', tools, { because: 'of this model family', origin: 'model' }),
    // The spelling that older and newer releases share.
    flag('--kv_cache_free_gpu_memory_fraction', FREE_MEMORY_FRACTION, {
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
  guides: [
    {
      when: { platforms: ['linux'], devices: ['nvidia'] },
      because:
        "what the package index has of it is a placeholder that fetches the real package from NVIDIA's own index, https://pypi.nvidia.com",
      hint: `where it can be reached, \`pip install --extra-index-url https://pypi.nvidia.com tensorrt-llm==${VERSION_PINNED}\` in an environment of its own`,
    },
  ],
  features: FEATURES,
  check: (input) => checkEngine(RULES, input),
  plan: (input, verdict) => {
    const layout = cardLayout(input, verdict);
    return makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? 'tensorrt-llm',
      args: planArguments(input, verdict, layout),
      environment: {
        HF_HUB_OFFLINE: '1',
        CUDA_VISIBLE_DEVICES: verdict.accelerators.join(','),
      },
      listen: 'tcp',
      readinessPath: '/health',
      startMsMax: 900_000,
      shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
      parallel: { tensor: layout.tensor, pipeline: layout.pipeline },
    });
  },
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'TensorRT-LLM', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  readMetrics: (text) => pickMetrics(text, {}),
};

export default engine;
