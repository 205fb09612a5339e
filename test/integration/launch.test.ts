/** Plans that become sessions: real guards and the fake engine, through the library alone. */
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../src/base/errors.ts';
import { EMPTY_REQUEST } from '../../src/engines/request.ts';
import type { Engine, LaunchPlan } from '../../src/engines/engine.ts';
import { generate } from '../../src/generate/generate.ts';
import { environmentPython, installedEnvironments } from '../../src/launch/environment.ts';
import { runningSessions, stopSession } from '../../src/launch/fleet.ts';
import type { LaunchOptions } from '../../src/launch/launch-options.ts';
import { launch } from '../../src/launch/launch.ts';
import type { Session } from '../../src/launch/session.ts';
import { describeModel } from '../../src/models/describe.ts';
import { planLaunch } from '../../src/plan/plan.ts';
import { makeWorkload } from '../../src/workloads/presets.ts';
import { fakeEngine, serviceFolder } from '../fixtures/fake-engine/engine.ts';
import { testMachine } from '../fixtures/machines/load.ts';
import { runCli } from '../support/cli.ts';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import {
  describeProcesses,
  processesOfHome,
  until,
  type SeenProcess,
} from '../support/processes.ts';
import { testContext, type TestContext } from './context.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

const engine: Engine = fakeEngine('unix');
/** Ten times what the guard takes to end a tree. */
const EMPTY_DEADLINE_MS = 20_000;

interface Start {
  readonly plan: LaunchPlan;
  readonly options: LaunchOptions;
  readonly context: TestContext;
}

async function startIn(
  home: TrialHome,
  change: Partial<LaunchOptions> & { readonly faults?: string } = {},
): Promise<Start> {
  const { faults = '', ...rest } = change;
  const env = { ...process.env, HYPERLLAMA_FAKE_FAULTS: faults };
  const context = await testContext(home.path, { env });
  const model = await describeModel(home.model, {
    dataFolder: context.paths.data,
    cacheFolder: null,
    env: {},
    aliases: {},
  });
  const workload = makeWorkload('chat', {});
  const input = {
    machine: testMachine('recorded-epyc-2core'),
    model,
    workload,
    installation: null,
  };
  const verdict = engine.check(input);
  if (!verdict.isOk) throw new Error('the fake engine takes every GGUF');
  const [environment] = await installedEnvironments(context.paths, engine.id);
  if (environment === undefined) throw new Error('the fake engine is not installed');
  return {
    plan: planLaunch(engine, input, verdict),
    context,
    options: {
      engine,
      paths: context.paths,
      python: environmentPython(environment),
      service: join(serviceFolder, 'service.py'),
      engineCacheFolder: join(context.paths.cache, 'engines', 'fake'),
      keepAliveMs: 0,
      startDeadlineMs: null,
      env: context.env,
      spare: null,
      signal: context.signal,
      log: context.log,
      onPhase: () => undefined,
      ...rest,
    },
  };
}

async function expectNothingLeft(home: TrialHome): Promise<void> {
  const left = (): readonly SeenProcess[] => processesOfHome(home.path);
  await until('an empty home', () => left().length === 0, EMPTY_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(left())).toBe('');
  expect(readdirSync(join(home.path, 'run'))).toEqual([]);
}

async function ask(session: Session): Promise<string> {
  const messages = [{ role: 'user' as const, content: 'What is the capital of Japan?' }];
  const options = { signal: null, firstByteDeadlineMs: null, onPart: () => undefined };
  return (await generate(session, { ...EMPTY_REQUEST, messages }, options)).text;
}

async function failure(running: Promise<unknown>): Promise<HyperLlamaError> {
  const thrown: unknown = await running.catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  return thrown;
}

describe('a session', () => {
  it('answers while it is held and is gone, with all its files, when it is released', async () => {
    using home = prepared.trial();
    const { plan, options } = await startIn(home);
    {
      await using session = await launch(plan, options);
      expect(session.facts).toMatchObject({ isAttached: false, key: plan.fingerprint.slice(0, 8) });
      expect(session.facts.startMs).toBeGreaterThan(0);
      expect(await ask(session)).toBe('The capital of Japan is Tokyo.');
    }
    await expectNothingLeft(home);
    expect(existsSync(join(home.path, 'state', 'logs'))).toBe(true);
  });

  it('is one for six who start it at once: one starter, one engine, six answers', async () => {
    using home = prepared.trial();
    const { plan, options, context } = await startIn(home, { faults: 'slow-load=0.3' });
    const sessions = await Promise.all(Array.from({ length: 6 }, () => launch(plan, options)));
    expect(sessions.filter(({ facts }) => !facts.isAttached)).toHaveLength(1);
    expect((await runningSessions(context)).sessions).toHaveLength(1);
    const answers = await Promise.all(sessions.map(async (session) => await ask(session)));
    expect(new Set(answers).size).toBe(1);
    for (const session of sessions.slice(0, 5)) await session.release();
    expect(await ask(sessions[5] ?? failNow())).toContain('Tokyo');
    await sessions[5]?.release();
    await expectNothingLeft(home);
  });

  it('stays for its keep-alive, is joined in no time, and ends when it is stopped', async () => {
    using home = prepared.trial();
    const { plan, options, context } = await startIn(home, { keepAliveMs: 600_000 });
    await (await launch(plan, options)).release();
    const { sessions } = await runningSessions(context);
    expect(sessions).toMatchObject([{ entry: { state: 'ready' }, live: { leases: 0 } }]);
    const again = await launch(plan, options);
    expect(again.facts).toMatchObject({ isAttached: true, startMs: 0 });
    await again.release();
    const [running] = sessions;
    expect(await stopSession((running ?? failNow()).entry)).toBe(true);
    await expectNothingLeft(home);
    expect((await runningSessions(context)).sessions).toEqual([]);
  });

  it('tells its holder when the engine ends by itself', async () => {
    using home = prepared.trial();
    const { plan, options } = await startIn(home, { faults: 'crash-after=2' });
    await using session = await launch(plan, options);
    const told = new Promise((resolve) => session.whenExited(resolve));
    expect((await failure(ask(session))).code).toBe('HL_ENGINE_EXITED');
    expect(await told).toMatchObject({ signal: 'SIGSEGV', isWanted: false });
    expect(session.exit).toMatchObject({ signal: 'SIGSEGV' });
    await session.release();
    await expectNothingLeft(home);
  });

  it('that another command stops while it starts says so, and is not begun again', async () => {
    using home = prepared.trial();
    const { plan, options, context } = await startIn(home, { faults: 'never-ready' });
    const starting = failure(launch(plan, options));
    const running = async (): Promise<number> => (await runningSessions(context)).sessions.length;
    await expect.poll(running, { timeout: EMPTY_DEADLINE_MS }).toBe(1);
    const [first] = (await runningSessions(context)).sessions;
    expect(await stopSession((first ?? failNow()).entry)).toBe(true);
    const error = await starting;
    expect(error.code).toBe('HL_ENGINE_EXITED');
    expect(error.message).toContain('another command stopped it');
    await expectNothingLeft(home);
  });

  it('with a guard that does not answer lets a command go that asks for it', async () => {
    using home = prepared.trial();
    const { plan, options, context } = await startIn(home, { keepAliveMs: 600_000 });
    await (await launch(plan, options)).release();
    const { sessions } = await runningSessions(context);
    const { entry } = sessions[0] ?? failNow();
    process.kill(entry.guard.pid, 'SIGSTOP');
    try {
      const ps = await runCli(['ps', '--json'], { home: home.path, deadlineMs: 30_000 });
      expect(ps.code).toBe(0);
      expect(JSON.parse(ps.stdout)).toMatchObject({ sessions: [{ key: entry.key, leases: null }] });
    } finally {
      process.kill(entry.guard.pid, 'SIGCONT');
    }
    expect(await stopSession(entry)).toBe(true);
    await expectNothingLeft(home);
  });

  it('whose guard was killed is cleared away by the next who looks', async () => {
    using home = prepared.trial();
    const { plan, options, context } = await startIn(home, { faults: 'ignore-sigterm' });
    const session = await launch(plan, options);
    const { sessions } = await runningSessions(context);
    const { guard } = (sessions[0] ?? failNow()).entry;
    process.kill(guard.pid, 'SIGKILL');
    await session.exitWithin(EMPTY_DEADLINE_MS);
    // The kernel closes a dying process's pipes a moment before it counts as gone.
    let reaped = 0;
    const look = async (): Promise<number> => {
      const after = await runningSessions(context);
      reaped += after.reaped.sessions;
      return after.sessions.length;
    };
    await expect.poll(look, { timeout: EMPTY_DEADLINE_MS }).toBe(0);
    expect(reaped).toBe(1);
    await expectNothingLeft(home);
  });
});

describe('a start', () => {
  it('that is given up ends what it began, in every phase', async () => {
    using home = prepared.trial();
    for (const phase of ['start', 'load', 'warm-up']) {
      const controller = new AbortController();
      const { plan, options } = await startIn(home, {
        faults: phase === 'warm-up' ? 'lying-health' : 'never-ready',
        signal: controller.signal,
        onPhase: (name) => {
          if (name === phase) controller.abort();
        },
      });
      const error = await failure(launch(plan, options));
      expect([error.code, error.exitCode]).toEqual(['HL_CANCELLED', 130]);
      await expectNothingLeft(home);
    }
  });

  it('that was given up before it began starts nothing', async () => {
    using home = prepared.trial();
    const { plan, options } = await startIn(home, { signal: AbortSignal.abort() });
    expect((await failure(launch(plan, options))).code).toBe('HL_CANCELLED');
    expect(describeProcesses(processesOfHome(home.path))).toBe('');
    expect(existsSync(join(home.path, 'run'))).toBe(false);
  });

  it('longer than allowed names the phase and shows the engine’s last lines', async () => {
    using home = prepared.trial();
    const { plan, options } = await startIn(home, { faults: 'never-ready', startDeadlineMs: 3000 });
    const error = await failure(launch(plan, options));
    expect(error.code).toBe('HL_ENGINE_START_TIMEOUT');
    expect(error.engineLog.length).toBeGreaterThan(0);
    await expectNothingLeft(home);
  });

  it('without a sign of life is given up at the stall limit, long before its deadline', async () => {
    using home = prepared.trial();
    const start = await startIn(home, { faults: 'silent-load' });
    const env = { ...start.options.env, HYPERLLAMA_STALL_MS: '1500' };
    const error = await failure(launch(start.plan, { ...start.options, env }));
    expect([error.code, error.details['limit']]).toEqual([
      'HL_ENGINE_START_TIMEOUT',
      expect.stringContaining('no sign of work for'),
    ]);
    await expectNothingLeft(home);
  });

  it.each([
    ['is gone', null, /could not be started \(ENOENT\)/],
    ['does not run', '#!/bin/sh\nexit 3\n', /ended with exit code 3/],
  ])('with an interpreter that %s fails at once, naming it', async (_, script, words) => {
    using home = prepared.trial();
    const python = join(home.path, 'python');
    if (script !== null) writeFileSync(python, script);
    if (script !== null) chmodSync(python, 0o755);
    const { plan, options } = await startIn(home, { python });
    const error = await failure(launch(plan, options));
    expect(error.code).toBe('HL_ENGINE_EXITED');
    expect(error.message).toMatch(words);
    expect(error.message).toContain(python);
  });
});

function failNow(): never {
  throw new Error('there is no such session');
}
