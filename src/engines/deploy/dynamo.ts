/**
 * NVIDIA Dynamo as a deployment: a frontend that finds its workers in a shared folder and moves a
 * request from a lost one to another, answers in progress included. Without cards for its real
 * workers one machine shows it with simulated ones (`dynamo.mocker`), and every answer says so.
 */
import { MIB } from '../../base/units.ts';
import { flag, positional } from '../shared/args.ts';
import { chatRequest } from '../shared/chat.ts';
import { features } from '../shared/features.ts';
import { readByRules, type LogRule } from '../shared/log-rules.ts';
import { readJson } from './pages.ts';
import {
  MEETING_FOLDER,
  planWithoutWeights,
  type DeployTarget,
  type FrontInput,
} from './target.ts';

/** Times one request may lose its worker and go on with another. */
const MIGRATIONS_MAX = 3;
/** Simulated tokens come so many times faster than on the card that is simulated. */
const SPEEDUP = 10;
const SUFFIX = '-SIMULATED';

const LOG_RULES: readonly LogRule[] = [
  { pattern: /error: (unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /Address already in use/, code: 'HL_ENGINE_PORT_BUSY' },
];

/** Without these it waits for an etcd that nobody started, and listens on every address. */
const ENVIRONMENT = {
  DYN_DISCOVERY_BACKEND: 'file',
  DYN_REQUEST_PLANE: 'tcp',
  DYN_EVENT_PLANE: 'zmq',
  DYN_NAMESPACE: 'hyperllama',
  DYN_TCP_RPC_HOST: '127.0.0.1',
  DYN_TCP_RESPONSE_STREAM_HOST: '127.0.0.1',
  DYN_EVENT_PLANE_HOST: '127.0.0.1',
  DYN_HTTP_RPC_HOST: '127.0.0.1',
  DYN_SYSTEM_HOST: '127.0.0.1',
  HF_HUB_OFFLINE: '1',
  DYN_SDK_DISABLE_ANSI_LOGGING: '1',
};

export const dynamo: DeployTarget = {
  id: 'dynamo',
  name: 'NVIDIA Dynamo',
  homepage: 'https://github.com/ai-dynamo/dynamo',
  license: 'Apache-2.0',
  command: 'python -m',
  versionPinned: '1.6.1',
  requirements: {
    platforms: ['linux'],
    architectures: ['x64', 'arm64'],
    devices: ['cpu'],
    glibcMin: '2.28',
    pythonMin: '3.10',
  },
  environments: [
    {
      id: 'cpu',
      when: { platforms: ['linux'], devices: ['cpu'] },
      lock: 'cpu.lock.txt',
      index: null,
      bytesDownload: 170_000_000,
      bytesOnDisk: 646_000_000,
    },
  ],
  planFront: (front) =>
    planWithoutWeights(dynamo, simulatedModel(front.model), {
      build: 'ai-dynamo',
      args: [
        positional('dynamo.frontend', { because: 'the process clients talk to' }),
        flag('--http-host', '{host}', { because: 'this machine only' }),
        flag('--http-port', '{port}', { because: 'the port clients talk to' }),
        flag('--router-mode', 'kv', { because: 'requests go where their prefix is cached' }),
        flag('--migration-limit', MIGRATIONS_MAX, {
          because: 'a lost worker costs time, not the answer',
        }),
      ],
      // The run folder is its working folder; the workers are told the whole path.
      environment: { ...ENVIRONMENT, DYN_FILE_KV: MEETING_FOLDER },
      readiness: { path: '/live', deadlineMs: 120_000, isPageEnough: true },
      shutdown: { signal: 'SIGTERM', graceMs: 5000 },
      contextTokens: front.contextTokens,
      slots: front.slots,
      memoryBytes: 200 * MIB,
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'NVIDIA Dynamo', features: features({}) }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  poolPath: '/health',
  readPool: (text) => {
    const { instances } = readJson(text);
    if (!Array.isArray(instances)) return null;
    const healthy = instances.filter((one: unknown) => {
      return (
        one !== null && typeof one === 'object' && 'endpoint' in one && one.endpoint === 'generate'
      );
    });
    return { healthy: healthy.length, total: null };
  },
  simulation: {
    label: 'SIMULATED',
    because:
      'its real workers need data-centre cards: these compute no token, they only take the time',
    planWorker: ({ model, modelFolder, meetingFolder, slots, contextTokens }) =>
      planWithoutWeights(dynamo, simulatedModel(model), {
        build: 'ai-dynamo',
        args: [
          positional('dynamo.mocker', { because: 'SIMULATED: takes the time of an engine' }),
          flag('--model-path', modelFolder, { because: 'its tokenizer', origin: 'model' }),
          flag('--model-name', '{served-name}', { because: 'says in every answer what it is' }),
          flag('--speedup-ratio', SPEEDUP, { because: 'so many times faster than the card' }),
          flag('--max-num-seqs', slots, { because: 'requests at once', origin: 'workload' }),
        ],
        environment: { ...ENVIRONMENT, DYN_FILE_KV: meetingFolder, DYN_SYSTEM_PORT: '{port}' },
        // `/live` stays 503 though it serves; that the front knows it is the proof.
        readiness: { path: '/metrics', deadlineMs: 120_000, isPageEnough: true },
        shutdown: { signal: 'SIGTERM', graceMs: 5000 },
        contextTokens,
        slots,
        memoryBytes: 100 * MIB,
      }),
  },
};

/** The name stands in every answer. */
function simulatedModel(model: FrontInput['model']): FrontInput['model'] {
  return model.name.endsWith(SUFFIX) ? model : { ...model, name: `${model.name}${SUFFIX}` };
}
