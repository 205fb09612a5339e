/**
 * MLX: Apple Silicon's own engine, through mlx-lm's server. Run with 0.32.2 on a Linux CPU, where it
 * is far too slow to be preferred; what only Metal shows is from its documentation.
 */
import { MIB } from '../base/units.ts';
import { ENGINE_SPEC } from './engine.ts';
import type {
  CompanionSupport,
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
import { flag } from './shared/args.ts';
import { isFloat32 } from './shared/artifacts.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { draftArguments } from './shared/companions.ts';
import { features } from './shared/features.ts';
import { modelPath } from './shared/identity.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { makePlan } from './shared/plan.ts';

const VERSION_PINNED = '0.32.2';

const TRAITS: readonly Trait[] = ['unified-memory', 'prefix-cache', 'logprobs', 'speculative'];

const FORMATS: readonly FormatSupport[] = [
  { format: 'mlx', devices: ['apple', 'cpu'] },
  { format: 'safetensors', devices: ['apple', 'cpu'] },
];

const REQUIREMENTS: Requirements = {
  platforms: ['darwin', 'linux'],
  architectures: ['arm64', 'x64'],
  devices: ['apple', 'cpu'],
  glibcMin: '2.35',
  pythonMin: '3.11',
};

/** Recorded: it answers 200 and does something else. */
const FEATURES = features({
  // It compares tokens, not text: asked to stop at `capital` it said `The  of France is Paris.`
  stop: 'enforced',
  json_schema: 'ignored',
  ignore_eos: 'ignored',
  min_tokens: 'ignored',
  n: 'ignored',
  tools: 'ignored',
});

/** Adapters it takes in a format of its own only. */
const COMPANIONS: CompanionSupport = { draft: { vocabularySlack: 0 } };

/** With a draft model it takes one request after the other. */
const rulesFor = ({ model }: EngineInput): CheckRules => ({
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  fit: () => ({
    // Kept in the type that it computes in: that of the weights, or of their scales.
    kvBytesPerElement: (artifact) => (isFloat32(artifact) ? 4 : 2),
    kvCache: 'paged',
    // 680 MB of process with 540 MB of weights, and buffers that grow with the prompt.
    overheadBytes: () => 512 * MIB,
    memoryShare: 1,
    slotsMax: model.draft === undefined ? 32 : 1,
    split: 'none',
    canOffload: false,
  }),
  companions: COMPANIONS,
  extra: checkMac,
});

/** Its packages for macOS are built for Apple Silicon only. */
function checkMac({ machine }: EngineInput): readonly Reason[] {
  if (machine.os.platform !== 'darwin' || machine.cpu.architecture !== 'x64') return [];
  const because = 'on macOS it needs Apple Silicon, this Mac has an Intel processor';
  return [{ code: 'architecture-unsupported', because, hint: null }];
}

function planArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  return [
    flag('--model', modelPath(input.model, verdict.artifact), {
      because: 'the folder',
      origin: 'model',
    }),
    flag('--host', '{host}', { because: 'this machine only' }),
    flag('--port', '{port}', { because: 'a port that was free just before' }),
    flag('--decode-concurrency', verdict.slots, {
      because: `${input.workload.concurrency} at once`,
      origin: 'workload',
    }),
    flag('--prompt-concurrency', Math.min(verdict.slots, 8), {
      because: 'prompts computed together; more of them only take memory',
      origin: 'workload',
    }),
    // Its own default ends every answer after 512 tokens.
    flag('--max-tokens', verdict.contextTokens, {
      because: 'an answer may fill the context unless the request says less',
    }),
    // Its own default is the caches of ten prompts, however long.
    flag('--prompt-cache-bytes', verdict.memory.kvCacheBytes, {
      because: 'earlier prompts keep what the running ones leave of the KV cache',
      origin: 'workload',
    }),
    ...draftArguments(input, verdict, { path: '--draft-model', tokens: '--num-draft-tokens' }),
    flag('--allowed-origins', 'none', {
      because: 'it has no key: a page in a browser may not read its answers',
    }),
  ];
}

const LOG_RULES: readonly LogRule[] = [
  { pattern: /Errno (?:48|98)\] (Address already in use)/, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /error: (unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /(Insufficient Memory.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  // The service's last line, when the server has become useless: the whole reason in one piece.
  {
    pattern: /^service\.py host: FileNotFoundError: (No safetensors found .*|.*config\.json.*)/,
    code: 'HL_MODEL_NOT_FOUND',
  },
  {
    pattern: /^service\.py host: ValueError: (Model type .* not supported.*)/,
    code: 'HL_MODEL_FORMAT_UNSUPPORTED',
  },
  {
    pattern:
      /^service\.py host: ValueError: ((?:Missing|Received) \d+ parameters.*|Expected shape .*)/,
    code: 'HL_MODEL_CORRUPT',
  },
  { pattern: /^service\.py host: (.*)/, code: 'HL_ENGINE_EXITED' },
  // The server answers before the model is there: the token proof decides.
  { pattern: /Starting httpd at /, isReady: true },
  {
    pattern: /Prompt processing progress: (\d+)\/(\d+)/,
    progress: 'prefill',
    hasFraction: true,
  },
];

/** It has no metrics page. */
const NO_METRICS: EngineMetrics = {
  requestsRunning: null,
  requestsWaiting: null,
  kvCacheUse: null,
  prefixCacheHitRatio: null,
  promptTokensTotal: null,
  outputTokensTotal: null,
};

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'mlx',
  name: 'MLX',
  homepage: 'https://github.com/ml-explore/mlx-lm',
  license: 'MIT',
  command: 'mlx_lm.server',
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
      bytesDownload: 61_000_000,
      bytesOnDisk: 318_000_000,
    },
    {
      id: 'metal',
      when: { platforms: ['darwin'], devices: ['apple', 'cpu'] },
      lock: 'metal.lock.txt',
      index: null,
      // By the sizes of its wheels for macOS 14.
      bytesDownload: 84_000_000,
      bytesOnDisk: 450_000_000,
    },
  ],
  features: FEATURES,
  companions: COMPANIONS,
  check: (input) => checkEngine(rulesFor(input), input),
  plan: (input, verdict) =>
    makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? 'mlx-lm',
      args: planArguments(input, verdict),
      // A home of its own: nothing of the user's cache shows in its list of models.
      environment: { HF_HUB_OFFLINE: '1', HF_HOME: '{cache}/huggingface' },
      listen: 'tcp',
      readinessPath: '/health',
      startMsMax: 120_000,
      shutdown: { signal: 'SIGTERM', graceMs: 3000 },
    }),
  // Another name than this one makes it load that model and drop ours.
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'MLX', features: FEATURES, model: 'default_model' }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  readMetrics: () => NO_METRICS,
};

export default engine;
