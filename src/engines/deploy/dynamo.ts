/**
 * NVIDIA Dynamo as a deployment: a frontend that finds its workers in a shared folder and moves a
 * request from a lost one to another, answers in progress included. Without cards for its real
 * workers one machine shows it with simulated ones (`dynamo.mocker`), and every answer says so.
 */
import { MIB } from '../../base/units.ts';
import { flag, positional, toggle } from '../shared/args.ts';
import { chatRequest } from '../shared/chat.ts';
import { features } from '../shared/features.ts';
import { readByRules, type LogRule } from '../shared/log-rules.ts';
import { readJson } from './pages.ts';
import {
  MEETING_FOLDER,
  type Place,
  type WorkerInput,
  type WorkerPlan,
  planWithoutWeights,
  type DeployTarget,
  type FrontInput,
} from './target.ts';

/** Times one request may lose its worker and go on with another. */
const MIGRATIONS_MAX = 3;
/** Simulated tokens come so many times faster than on the card that is simulated. */
const SPEEDUP = 10;
const ETCD_PORT = 2379;
/** `DYN_SYSTEM_PORT` is a signed 16-bit number in 1.6.1. */
const PORT_MAX = 32_767;
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
      bytesDownload: 149_000_000,
      bytesOnDisk: 646_000_000,
    },
  ],
  planFront: (front) =>
    planWithoutWeights(dynamo, front.place === null ? simulatedModel(front.model) : front.model, {
      build: 'ai-dynamo',
      args: [
        positional('dynamo.frontend', { because: 'the process clients talk to' }),
        flag('--http-host', '{host}', {
          because: front.place === null ? 'this machine only' : 'the address clients reach it at',
        }),
        flag('--http-port', '{port}', { because: 'the port clients talk to' }),
        flag('--router-mode', 'kv', { because: 'requests go where their prefix is cached' }),
        ...(front.place === null
          ? [toggle('--no-router-kv-events', { because: 'it goes by what it sent where' })]
          : []),
        flag('--migration-limit', MIGRATIONS_MAX, {
          because: 'a lost worker costs time, not the answer',
        }),
      ],
      // The run folder is its working folder; the workers are told the whole path.
      environment:
        front.place === null
          ? { ...ENVIRONMENT, ...meetingIn(MEETING_FOLDER) }
          : networkEnvironment(front.place.host, front.place),
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
  worker: planWorker,
  join: null,
  remarks: (front) => [
    `start etcd first, where every node reaches it: etcd --listen-client-urls http://${front.host}:${ETCD_PORT} --advertise-client-urls http://${front.host}:${ETCD_PORT}`,
    'its parts talk to each other on ports of their own choice and ask for no key: keep all of them inside your network',
    'read in the sources of 1.6.1, not run: workers on real cards were not at hand',
  ],
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
        environment: { ...ENVIRONMENT, ...meetingIn(meetingFolder), DYN_SYSTEM_PORT: '{port}' },
        // `/live` stays 503 though it serves; that the front knows it is the proof.
        readiness: { path: '/metrics', deadlineMs: 120_000, isPageEnough: true },
        shutdown: { signal: 'SIGTERM', graceMs: 5000 },
        contextTokens,
        slots,
        memoryBytes: 100 * MIB,
      }),
  },
};

/** Engines it has a worker for: the module, its flag for the model, and flags it does not take. */
const WORKERS: Readonly<
  Record<
    string,
    { readonly module: string; readonly model: string; readonly drops: readonly string[] }
  >
> = {
  vllm: {
    module: 'dynamo.vllm',
    model: '--model',
    // Of the API server, whose work the frontend does.
    drops: [
      '--host',
      '--port',
      '--enable-auto-tool-choice',
      '--tool-call-parser',
      '--enable-prompt-tokens-details',
    ],
  },
  sglang: {
    module: 'dynamo.sglang',
    model: '--model-path',
    drops: ['--host', '--port', '--tool-call-parser', '--enable-cache-report'],
  },
};

function planWorker({ plan, node, front }: WorkerInput): WorkerPlan {
  if (node.port > PORT_MAX) {
    const because = `its worker reads its port as a number up to ${PORT_MAX}`;
    return { isOk: false, because };
  }
  const worker = WORKERS[plan.engine.id];
  if (worker === undefined) {
    const known = Object.keys(WORKERS).join(' or ');
    return {
      isOk: false,
      because: `Dynamo's workers are ${known}: name one in the field \`engine\``,
    };
  }
  const drops = [...worker.drops, worker.model];
  const path = plan.model.artifact.path ?? `{${plan.model.ref}}`;
  const kept = plan.args.filter(({ flag: name }) => name.startsWith('--') && !drops.includes(name));
  return {
    isOk: true,
    command: `python -m ${worker.module}`,
    args: [flag(worker.model, path, { because: 'the folder', origin: 'model' }), ...kept],
    environment: { ...networkEnvironment(node.host, front), DYN_SYSTEM_PORT: String(node.port) },
    healthPath: '/health',
  };
}

/** Between machines they find each other by etcd: a folder is this machine's own. */
function networkEnvironment(host: string, front: Place): Readonly<Record<string, string>> {
  return {
    DYN_DISCOVERY_BACKEND: 'etcd',
    ETCD_ENDPOINTS: `http://${front.host}:${ETCD_PORT}`,
    DYN_REQUEST_PLANE: 'tcp',
    DYN_EVENT_PLANE: 'zmq',
    DYN_NAMESPACE: ENVIRONMENT.DYN_NAMESPACE,
    DYN_TCP_RPC_HOST: host,
    DYN_TCP_RESPONSE_STREAM_HOST: host,
    DYN_EVENT_PLANE_HOST: host,
    DYN_SYSTEM_HOST: host,
  };
}

/**
 * Where frontend and workers find each other. Their events would be published at a port on every
 * address (1.6.1 offers no other) unless there is a broker: a socket in the folder is named as one.
 * Nobody listens there, so nothing is published, and the router goes by what it sent where.
 */
function meetingIn(folder: string): Readonly<Record<string, string>> {
  return {
    DYN_FILE_KV: folder,
    DYN_ZMQ_BROKER_URL: `xsub=ipc://${folder}/i , xpub=ipc://${folder}/o`,
  };
}

/** The name stands in every answer. */
function simulatedModel(model: FrontInput['model']): FrontInput['model'] {
  return model.name.endsWith(SUFFIX) ? model : { ...model, name: `${model.name}${SUFFIX}` };
}
