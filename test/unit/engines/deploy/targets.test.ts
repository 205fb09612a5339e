/** Targets of `deploy`: their plans keep the contract of engines, and their pages read as recorded. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEPLOY_TARGETS } from '../../../../src/engines/deploy/targets.ts';
import type { FrontInput } from '../../../../src/engines/deploy/target.ts';
import type { EnginePlan } from '../../../../src/engines/engine.ts';
import { EMPTY_REQUEST } from '../../../../src/engines/request.ts';
import { makeWorkload } from '../../../../src/workloads/presets.ts';

const MODEL: EnginePlan['model'] = {
  ref: 'm:1b',
  name: 'M-1B',
  artifact: {
    format: 'safetensors',
    quantization: 'bf16',
    path: '/models/m',
    origin: 'file',
    bytesOnDisk: 1,
    weights: null,
    sha256: null,
  },
};
const FRONT: FrontInput = {
  model: MODEL,
  engineUrls: ['http://127.0.0.1:1', 'http://127.0.0.1:2'],
  workload: makeWorkload('chat', {}),
  contextTokens: 4096,
  slots: 8,
  place: null,
};

const targetOf = (id: string): (typeof DEPLOY_TARGETS)[number] => {
  const target = DEPLOY_TARGETS.find((one) => one.id === id);
  if (target === undefined) throw new Error(`no target ${id}`);
  return target;
};
const words = ({ args }: EnginePlan): readonly string[] =>
  args.flatMap(({ flag, value }) => (value === null ? [flag] : [flag, value]));
const recorded = (path: string): string =>
  readFileSync(new URL(`../../../fixtures/deploy/${path}`, import.meta.url), 'utf8');

describe.each(DEPLOY_TARGETS)('$id', (target) => {
  const plans = [
    target.planFront(FRONT),
    ...(target.simulation === null
      ? []
      : [
          target.simulation.planWorker({
            model: MODEL,
            modelFolder: '/models/m',
            meetingFolder: '/run/x/kv',
            slots: 4,
            contextTokens: 4096,
          }),
        ]),
  ];

  it('has plans that survive JSON, with every argument explained once', () => {
    for (const plan of plans) {
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      const flags = plan.args.map(({ flag }) => flag).filter((flag) => flag.startsWith('--'));
      expect(new Set(flags).size).toBe(flags.length);
      expect(plan.args.filter(({ because }) => because === '')).toEqual([]);
    }
  });

  it('passes only flags that its recorded --help knows', () => {
    const known = recorded(`${target.id}/flags.txt`).split('\n');
    const flags = plans.flatMap(({ args }) => args.map(({ flag }) => flag));
    expect(flags.filter((flag) => flag.startsWith('--') && !known.includes(flag))).toEqual([]);
  });

  it('listens where it is told, and names no port itself', () => {
    const [front] = plans;
    expect(front?.listen).toBe('tcp');
    expect(words(front ?? failNow())).toEqual(expect.arrayContaining(['{host}', '{port}']));
  });

  it('asks for the model by the name it is served under', () => {
    const request = { ...EMPTY_REQUEST, messages: [{ role: 'user' as const, content: 'Hi' }] };
    const [front] = plans;
    const { body } = target.adaptRequest(request, front ?? failNow());
    expect(body).toMatchObject({ model: front?.model.name, stream: true });
  });

  it('takes no other page for its own', () => {
    for (const page of ['', 'null', '[]', '{"status":"ok"}', '<html>']) {
      expect(target.readPool(page)).toBeNull();
    }
  });

  it('is installed from a lock that is there', () => {
    for (const { lock } of target.environments) {
      const file = new URL(`../../../../python-services/${target.id}/${lock}`, import.meta.url);
      expect(readFileSync(file, 'utf8')).toContain('--hash=sha256:');
    }
  });
});

describe('smg', () => {
  it('is told all engines after one flag, as its parser wants them', () => {
    const plan = targetOf('smg').planFront(FRONT);
    expect(words(plan).slice(0, 3)).toEqual([
      '--worker-urls',
      'http://127.0.0.1:1',
      'http://127.0.0.1:2',
    ]);
  });

  it('sends prompts with a shared beginning where it was computed before', () => {
    const policy = (name: 'chat' | 'agent'): string | undefined => {
      const workload = makeWorkload(name, {});
      const all = words(targetOf('smg').planFront({ ...FRONT, workload }));
      return all[all.indexOf('--policy') + 1];
    };
    expect([policy('chat'), policy('agent')]).toEqual(['round_robin', 'cache_aware']);
  });

  it('reads its pool as recorded', () => {
    const page = '{"status":"ready","healthy_workers":1,"total_workers":2}';
    expect(targetOf('smg').readPool(page)).toEqual({ healthy: 1, total: 2 });
  });
});

describe('dynamo', () => {
  it('says in the name of its model, and so in every answer, that it is simulated', () => {
    const target = targetOf('dynamo');
    const input = { modelFolder: '/m', meetingFolder: '/k', slots: 1, contextTokens: 1 };
    const worker = target.simulation?.planWorker({ ...input, model: MODEL });
    expect([worker?.model.name, target.planFront(FRONT).model.name]).toEqual([
      'M-1B-SIMULATED',
      'M-1B-SIMULATED',
    ]);
  });

  it('listens on this machine only, whatever its parts bind by default', () => {
    const { environment } = targetOf('dynamo').planFront(FRONT);
    const hosts = Object.entries(environment).filter(([name]) => name.endsWith('_HOST'));
    expect(hosts.length).toBeGreaterThan(3);
    expect(new Set(hosts.map(([, host]) => host))).toEqual(new Set(['127.0.0.1']));
    // Else its events are published at a port of every address.
    expect(environment['DYN_ZMQ_BROKER_URL']).toMatch(/^xsub=ipc:\S+ , xpub=ipc:\S+$/);
  });

  it('counts the workers of its recorded health page', () => {
    const page = recorded('dynamo/health.json');
    expect(targetOf('dynamo').readPool(page)).toEqual({ healthy: 2, total: null });
  });
});

function failNow(): never {
  throw new Error('there is no plan');
}
