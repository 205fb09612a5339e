/**
 * NVIDIA Dynamo: one service over several machines with data-centre cards, its workers being vLLM,
 * SGLang or TensorRT-LLM. Frontend flags were recorded with 1.6.1; GPU workers were not run here.
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
} from './engine.ts';
import { flag } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine } from './shared/check.ts';
import type { Target } from './shared/devices.ts';
import { features } from './shared/features.ts';
import { readByRules, type LogRule } from './shared/log-rules.ts';
import { pickMetrics } from './shared/metrics.ts';
import { makePlan } from './shared/plan.ts';
import { tensorDegree, torchFit } from './shared/torch.ts';

const VERSION_PINNED = '1.6.1';

const TRAITS: readonly Trait[] = [
  'multi-node',
  'multi-gpu',
  'continuous-batching',
  'prefix-cache',
  'paged-kv',
  'structured-output',
  'tools',
  'logprobs',
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
  glibcMin: '2.28',
  pythonMin: '3.10',
};

const FEATURES = features({});

const MEMORY_SHARE = 0.9;

/** The machines are taken as equal: a model may be spread over the cards of all of them. */
function rulesFor(nodes: number): Parameters<typeof checkEngine>[0] {
  return {
    traits: TRAITS,
    formats: FORMATS,
    requirements: REQUIREMENTS,
    fit: () =>
      torchFit(
        {
          overheadBytesGpu: 3 * GIB * nodes,
          overheadBytesCpu: 0,
          memoryShare: MEMORY_SHARE * nodes,
          slotsMax: 1024,
        },
        true,
      ),
    extra: checkCluster,
  };
}

function checkCluster({ machine }: EngineInput, target: Target): readonly Reason[] {
  const reasons: Reason[] = [];
  if (machine.nodes < 2) {
    reasons.push({
      code: 'single-machine',
      because: 'spreads work over several machines, and this is one',
      hint: null,
    });
  }
  if (target.cards.some((card) => card.class !== 'data-centre')) {
    reasons.push({
      code: 'card-class-unsupported',
      because: 'is made for data-centre cards with fast links between machines',
      hint: null,
    });
  }
  return reasons;
}

function planArguments(): readonly PlanArgument[] {
  return [
    flag('--http-host', '{host}', { because: 'this machine only' }),
    flag('--http-port', '{port}', { because: 'a port that was free just before' }),
    flag('--router-mode', 'kv', { because: 'requests go where their prefix is cached' }),
    flag('--migration-limit', 3, { because: 'a lost worker costs time, not the answer' }),
  ];
}

const LOG_RULES: readonly LogRule[] = [
  { pattern: /error: (unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /Address already in use/, code: 'HL_ENGINE_PORT_BUSY' },
];

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'dynamo',
  name: 'NVIDIA Dynamo',
  homepage: 'https://github.com/ai-dynamo/dynamo',
  license: 'Apache-2.0',
  command: 'python -m dynamo.frontend',
  isDriven: false,
  versionPinned: VERSION_PINNED,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  environments: [],
  features: FEATURES,
  check: (input) => checkEngine(rulesFor(input.machine.nodes), input),
  plan: (input, verdict) =>
    makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? 'ai-dynamo',
      args: planArguments(),
      environment: {
        // Without it even `--help` waits for an etcd that nobody started.
        DYN_DISCOVERY_BACKEND: 'file',
        DYN_REQUEST_PLANE: 'tcp',
        DYN_EVENT_PLANE: 'zmq',
      },
      listen: 'tcp',
      readinessPath: '/health',
      startMsMax: 900_000,
      shutdown: { signal: 'SIGTERM', graceMs: 10_000 },
      parallel: { tensor: tensorDegree(verdict), pipeline: input.machine.nodes },
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'NVIDIA Dynamo', features: FEATURES }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  readMetrics: (text) =>
    pickMetrics(text, {
      requestsRunning: ['dynamo_frontend_inflight_requests'],
      requestsWaiting: ['dynamo_frontend_queued_requests'],
      outputTokensTotal: ['dynamo_frontend_output_tokens_total'],
      promptTokensTotal: ['dynamo_frontend_input_sequence_tokens_sum'],
    }),
};

export default engine;
