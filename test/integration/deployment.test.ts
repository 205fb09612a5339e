/** Several sessions as one deployment: real guards, fake engines, a small router in front. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listIfAny } from '../../src/base/fs.ts';
import { HyperLlamaError } from '../../src/base/errors.ts';
import { planWithoutWeights, type DeployTarget } from '../../src/engines/deploy/target.ts';
import { EMPTY_REQUEST } from '../../src/engines/request.ts';
import { openDoor } from '../../src/gateway/door.ts';
import { runningSessions, stopSession } from '../../src/launch/fleet.ts';
import { readLedger } from '../../src/launch/ledger.ts';
import {
  startDeployment,
  type Deployment,
  type DeploymentEvent,
  type DeploymentPlan,
} from '../../src/launch/deployment.ts';
import { runFailover } from '../../src/measure/failover.ts';
import { describeModel } from '../../src/models/describe.ts';
import { planLaunch } from '../../src/plan/plan.ts';
import { makeWorkload } from '../../src/workloads/presets.ts';
import { fakeEngine } from '../fixtures/fake-engine/engine.ts';
import { testMachine } from '../fixtures/machines/load.ts';
import { FAKE_ENGINE } from '../support/cli.ts';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import { describeProcesses, processesOfHome, until } from '../support/processes.ts';
import { testContext, type TestContext } from './context.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

const engine = fakeEngine('unix');
/** Ten times what the guard takes to end a tree. */
const EMPTY_DEADLINE_MS = 20_000;

const front: DeployTarget = {
  ...engine,
  name: 'Front',
  planFront: ({ model, engineUrls, contextTokens, slots }) =>
    planWithoutWeights(engine, model, {
      build: 'stdlib',
      args: [
        ['--engines', engineUrls.join(',')],
        ['--host', '{host}'],
        ['--port', '{port}'],
      ].map(([flag = '', value = '']) => ({ flag, value, because: 'test', origin: 'engine' })),
      environment: {},
      readiness: { path: '/readiness', deadlineMs: 60_000 },
      shutdown: { signal: 'SIGTERM', graceMs: 1000 },
      contextTokens,
      slots,
      memoryBytes: 0,
    }),
  poolPath: '/readiness',
  readPool: (text) => {
    const page = JSON.parse(text) as { healthy_workers: number; total_workers: number };
    return { healthy: page.healthy_workers, total: page.total_workers };
  },
  worker: null,
  join: null,
  remarks: () => [],
  simulation: null,
};

interface Trial {
  readonly plan: DeploymentPlan;
  readonly context: TestContext;
  readonly events: DeploymentEvent[];
  readonly start: (change?: Partial<DeploymentPlan>) => Promise<Deployment>;
}

async function trial(home: TrialHome, signal?: AbortSignal): Promise<Trial> {
  const env = {
    ...process.env,
    HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE,
    HYPERLLAMA_FAKE_FAULTS: 'token-delay=10',
  };
  const made = await testContext(home.path, { env });
  const context = signal === undefined ? made : { ...made, signal };
  const model = await describeModel(home.model, {
    dataFolder: context.paths.data,
    cacheFolder: null,
    env: {},
    aliases: {},
  });
  const workload = makeWorkload('chat', {});
  const machine = testMachine('recorded-epyc-2core');
  const input = { machine, model, workload, installation: null };
  const verdict = engine.check(input);
  if (!verdict.isOk) throw new Error('the fake engine takes every GGUF');
  const one = planLaunch(engine, input, verdict);
  const { contextTokens, slots } = one;
  const plan: DeploymentPlan = {
    target: front,
    engine,
    enginesCount: 2,
    engines: () => [one, one],
    front: (engineUrls) =>
      front.planFront({
        model: one.model,
        engineUrls,
        workload,
        contextTokens,
        slots,
        place: null,
      }),
    open: openDoor,
  };
  const events: DeploymentEvent[] = [];
  const start = async (change: Partial<DeploymentPlan> = {}): Promise<Deployment> =>
    await startDeployment({ ...plan, ...change }, context, (event) => void events.push(event));
  return { plan, context, events, start };
}

async function expectNothingLeft(home: TrialHome): Promise<void> {
  const isEmpty = (): boolean => processesOfHome(home.path).length === 0;
  await until('an empty home', isEmpty, EMPTY_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(processesOfHome(home.path))).toBe('');
  expect(listIfAny(join(home.path, 'run'))).toEqual([]);
  expect(listIfAny(join(home.path, 'state', 'sessions'))).toEqual([]);
}

async function failure(running: Promise<unknown>): Promise<HyperLlamaError> {
  const thrown: unknown = await running.catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  return thrown;
}

describe('a deployment', () => {
  it('goes on when an engine is killed, has it again, and leaves nothing when it ends', async () => {
    using home = prepared.trial();
    const { start, events } = await trial(home);
    const deployment = await start();
    const [victim, other] = deployment.engines;
    expect(victim?.facts.key).not.toBe(other?.facts.key);
    const pid = victim === undefined ? null : await deployment.pidOf(victim);
    const { plan, address } = deployment.front.facts;
    const result = await runFailover({
      address,
      requests: 24,
      concurrency: 4,
      signal: new AbortController().signal,
      requestFor: () => {
        const messages = [{ role: 'user' as const, content: 'What is the capital of Japan?' }];
        return front.adaptRequest({ ...EMPTY_REQUEST, messages }, plan);
      },
      kill: () => process.kill(pid ?? Number.NaN, 'SIGKILL'),
    });
    expect(result).toMatchObject({ requests: 24, failedBeforeFirstToken: 0, inFlightAtKill: 4 });
    expect(result.answered + result.failedAfterFirstToken).toBe(24);
    await deployment.untilWhole();
    expect(events.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['pool', 'engine-ended', 'engine-back']),
    );
    expect(await deployment.pidOf(deployment.engines[0] ?? failNow())).not.toBe(pid);
    await deployment.end();
    await expectNothingLeft(home);
  });

  it.each(['after', 'at once with'])(
    'started %s another of the same plan has engines and a front of its own, and leaves the other its',
    async (when) => {
      using home = prepared.trial();
      const { start } = await trial(home);
      const begun = start();
      if (when === 'after') await begun;
      const [first, second] = await Promise.all([begun, start()]);
      const sessions = [first, second].flatMap(({ front, engines }) => [front, ...engines]);
      expect(sessions.filter(({ facts }) => facts.isAttached)).toEqual([]);
      expect(new Set(sessions.map(({ facts }) => facts.key)).size).toBe(6);
      await second.end();
      expect(await first.pidOf(first.engines[0] ?? failNow())).not.toBeNull();
      expect(await first.pidOf(first.front)).not.toBeNull();
      await first.end();
      await expectNothingLeft(home);
    },
  );

  it('has an engine again whose guard was killed while the next one was still to start', async () => {
    using home = prepared.trial();
    const { start, events, context } = await trial(home);
    let isFirst = true;
    const open: DeploymentPlan['open'] = async (engine) => {
      if (isFirst) {
        isFirst = false;
        const [entry] = await readLedger(context.paths);
        process.kill((entry ?? failNow()).guard.pid, 'SIGKILL');
      }
      return await openDoor(engine);
    };
    const deployment = await start({ open });
    expect(events).toEqual(
      expect.arrayContaining([
        { kind: 'engine-ended', engine: 0, how: 'with its guard' },
        expect.objectContaining({ kind: 'engine-back', engine: 0 }),
      ]),
    );
    await deployment.end();
    await expectNothingLeft(home);
  });

  it('does not start again what another command stopped', async () => {
    using home = prepared.trial();
    const { start, events, context } = await trial(home);
    const deployment = await start();
    const { sessions } = await runningSessions(context);
    const key = deployment.engines[1]?.facts.key;
    const stopped = sessions.find(({ entry }) => entry.key === key) ?? failNow();
    await stopSession(stopped.entry);
    const isLost = (): boolean => events.some(({ kind }) => kind === 'engine-lost');
    await until('the loss', isLost, EMPTY_DEADLINE_MS);
    expect(events.find(({ kind }) => kind === 'engine-lost')).toMatchObject({ engine: 1 });
    await deployment.end();
    await expectNothingLeft(home);
  });

  it('ends with an error when its front ends by itself', async () => {
    using home = prepared.trial();
    const { start } = await trial(home);
    const deployment = await start();
    const ended = failure(deployment.untilInterrupted());
    process.kill((await deployment.pidOf(deployment.front)) ?? Number.NaN, 'SIGKILL');
    expect(await ended).toMatchObject({
      code: 'HL_ENGINE_EXITED',
      message: expect.stringContaining(
        'Front ended in phase `deploy`: killed by SIGKILL',
      ) as string,
    });
    await deployment.end();
    await expectNothingLeft(home);
  });
});

describe('a deployment that cannot start', () => {
  it('because of its second engine says why, and ends the first', async () => {
    using home = prepared.trial();
    const { plan, start } = await trial(home);
    const broken = join(home.path, 'broken.gguf');
    writeFileSync(broken, 'no model');
    const [first, second] = plan.engines(null);
    const args = (second ?? failNow()).args.map((argument) =>
      argument.flag === '--model' ? { ...argument, value: broken } : argument,
    );
    const engines = [first ?? failNow(), { ...(second ?? failNow()), args }];
    expect((await failure(start({ engines: () => engines }))).code).toBe('HL_MODEL_CORRUPT');
    await expectNothingLeft(home);
  });

  it('because of its front says why, and ends the engines', async () => {
    using home = prepared.trial();
    const { plan, start } = await trial(home);
    const front = (urls: readonly string[]): ReturnType<DeploymentPlan['front']> => {
      const made = plan.front(urls);
      return { ...made, args: made.args.filter(({ flag }) => flag !== '--host') };
    };
    expect(await failure(start({ front }))).toMatchObject({
      code: 'HL_ENGINE_EXITED',
      engineLog: expect.arrayContaining([expect.stringContaining('KeyError')]) as string[],
    });
    await expectNothingLeft(home);
  });

  it('because its port is taken says so, and ends the engines', async () => {
    using home = prepared.trial();
    const { start } = await trial(home);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const address = squatter.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    expect((await failure(start({ port }))).code).toBe('HL_ENGINE_PORT_BUSY');
    squatter.close();
    await expectNothingLeft(home);
  });

  it.each(['an engine', 'the front'])(
    'because it is given up before %s leaves nothing',
    async (what) => {
      using home = prepared.trial();
      const given = new AbortController();
      const { plan, start } = await trial(home, given.signal);
      const abortAnd = <T>(value: T): T => {
        given.abort();
        return value;
      };
      const change: Partial<DeploymentPlan> =
        what === 'an engine'
          ? { engines: () => abortAnd(plan.engines(null)) }
          : { front: (urls) => abortAnd(plan.front(urls)) };
      expect((await failure(start(change))).code).toBe('HL_CANCELLED');
      await expectNothingLeft(home);
    },
  );
});

function failNow(): never {
  throw new Error('there is no such session');
}
