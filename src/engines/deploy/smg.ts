/**
 * smg (SGLang Model Gateway): one address in front of any number of OpenAI servers, engines of
 * several kinds included. A request that failed before its answer began is sent to another one.
 */
import { MIB } from '../../base/units.ts';
import { flag, positional, toggle } from '../shared/args.ts';
import { chatRequest } from '../shared/chat.ts';
import { features } from '../shared/features.ts';
import { readByRules, type LogRule } from '../shared/log-rules.ts';
import type { PlanArgument } from '../engine.ts';
import { readJson } from './pages.ts';
import { planWithoutWeights, type DeployTarget, type FrontInput } from './target.ts';

/** A prompt of which so much is shared pays for sending it where it was computed before. */
const SHARED_PREFIX_SHARE_MIN = 0.3;
/** Streams that run when it is told to end get so long. */
const DRAIN_S = 5;

const LOG_RULES: readonly LogRule[] = [
  { pattern: /error: (unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /Address already in use/, code: 'HL_ENGINE_PORT_BUSY' },
];

function frontArguments(front: FrontInput): readonly PlanArgument[] {
  const { engineUrls, workload } = front;
  const isShared = workload.sharedPrefixShare >= SHARED_PREFIX_SHARE_MIN;
  const [first, ...others] = engineUrls;
  const because = 'the engines it sends requests to';
  return [
    ...(first === undefined ? [] : [flag('--worker-urls', first, { because })]),
    ...others.map((url) => positional(url, { because })),
    // Engines with a key join later, one by one; without a first one it waits for them only so.
    ...(first === undefined ? [toggle('--enable-igw', { because: 'engines join it later' })] : []),
    flag('--host', '{host}', {
      because: front.place === null ? 'this machine only' : 'the address clients reach it at',
    }),
    flag('--port', '{port}', { because: 'the port clients talk to' }),
    isShared
      ? flag('--policy', 'cache_aware', {
          because: 'prompts have much in common: they go where that part was computed before',
          origin: 'workload',
        })
      : flag('--policy', 'round_robin', {
          because: 'prompts have little in common: each engine in its turn',
          origin: 'workload',
        }),
    flag('--health-check-interval-secs', 2, {
      because: 'a dead engine leaves the pool within seconds; the default looks once a minute',
    }),
    flag('--shutdown-grace-period-secs', DRAIN_S, { because: 'time for streams that run' }),
    flag('--prometheus-host', '127.0.0.1', { because: 'its counters are for this machine only' }),
    flag('--prometheus-port', '{metrics-port}', { because: 'the default may be taken' }),
    toggle('--disable-tokenizer-autoload', { because: 'it may not fetch anything by itself' }),
    flag('--log-level', 'warn', { because: 'one line for each request says nothing new' }),
  ];
}

export const smg: DeployTarget = {
  id: 'smg',
  name: 'smg',
  homepage: 'https://github.com/smg-project/smg',
  license: 'Apache-2.0',
  command: 'smg launch',
  versionPinned: '1.13.0',
  requirements: {
    platforms: ['linux', 'darwin'],
    architectures: ['x64', 'arm64'],
    devices: ['cpu'],
    glibcMin: '2.28',
    pythonMin: '3.10',
  },
  environments: [
    {
      id: 'cpu',
      when: { platforms: ['linux', 'darwin'], devices: ['cpu'] },
      lock: 'cpu.lock.txt',
      index: null,
      bytesDownload: 46_000_000,
      bytesOnDisk: 125_000_000,
    },
  ],
  planFront: (front) =>
    planWithoutWeights(smg, front.model, {
      build: 'smg',
      args: frontArguments(front),
      environment: { HF_HUB_OFFLINE: '1' },
      readiness: { path: '/readiness', deadlineMs: 120_000 },
      shutdown: { signal: 'SIGTERM', graceMs: (DRAIN_S + 1) * 1000 },
      contextTokens: front.contextTokens,
      slots: front.slots,
      memoryBytes: 100 * MIB,
    }),
  adaptRequest: (request, plan) =>
    chatRequest({ engineName: 'smg', features: features({}) }, request, plan),
  readLog: (line) => readByRules(LOG_RULES, line),
  poolPath: '/readiness',
  readPool: (text) => {
    const page = readJson(text);
    const { healthy_workers: healthy, total_workers: total } = page;
    return typeof healthy === 'number' && typeof total === 'number' ? { healthy, total } : null;
  },
  worker: null,
  // The key comes from the shell over a pipe: in arguments every user of the machine could read it.
  join: ({ frontUrl, engineUrl, key }) =>
    `printf '{"url":"%s","api_key":"%s"}' ${engineUrl} ${key} | curl -sf -X POST ${frontUrl}/workers -H 'content-type: application/json' -d @-`,
  remarks: () => [
    'smg asks its clients for no key, and lets them add engines: keep its port inside your network',
  ],
  simulation: null,
};
