/** A guard that waits for its order before anybody knows what for. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { environmentPython, installedEnvironments } from '../../src/launch/environment.ts';
import {
  prepareGuard,
  rememberGuard,
  type GuardProgram,
  type SpareGuard,
} from '../../src/launch/guard-process.ts';
import { fakeEngine, serviceFolder } from '../fixtures/fake-engine/engine.ts';
import { ask } from '../cli/asking.ts';
import { CLI_DEADLINE_MS } from '../cli/transcript.ts';
import { runCli } from '../support/cli.ts';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import {
  describeProcesses,
  guardsOfHome,
  processesOfHome,
  until,
  type SeenProcess,
} from '../support/processes.ts';
import { testContext, type TestContext } from './context.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => {
  vi.restoreAllMocks();
  prepared[Symbol.dispose]();
});

const QUESTION = 'What is the capital of Japan?';
/** A Python without an order sees the end of its stdin in milliseconds. */
const GONE_DEADLINE_MS = 5_000;

async function programIn(context: TestContext): Promise<GuardProgram> {
  const [environment] = await installedEnvironments(context.paths, fakeEngine('unix').id);
  if (environment === undefined) throw new Error('the fake engine is not installed');
  return {
    python: environmentPython(environment),
    service: join(serviceFolder, 'service.py'),
  };
}

async function spareIn(
  home: TrialHome,
): Promise<{ spare: SpareGuard; program: GuardProgram; guard: SeenProcess }> {
  const context = await testContext(home.path);
  const program = await programIn(context);
  await rememberGuard(context.paths, program);
  const spare = await prepareGuard(context);
  const [guard] = guardsOfHome(home.path);
  if (spare === null || guard === undefined) throw new Error('no guard was started');
  return { spare, program, guard };
}

async function expectGone(home: TrialHome): Promise<void> {
  const left = (): readonly SeenProcess[] => processesOfHome(home.path);
  await until('an empty home', () => left().length === 0, GONE_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(left())).toBe('');
}

describe('a spare guard', () => {
  it('is not started where nothing was started before', async () => {
    using home = prepared.trial();
    expect(await prepareGuard(await testContext(home.path))).toBeNull();
  });

  it('is given once, to a start of the same program', async () => {
    using home = prepared.trial();
    const { spare, program, guard } = await spareIn(home);
    const taken = spare.take(program);
    expect(taken).not.toBeNull();
    expect(spare.take(program)).toBeNull();
    spare[Symbol.dispose]();
    expect(guardsOfHome(home.path).map(({ pid }) => pid)).toEqual([guard.pid]);
    taken?.stdin.end();
    expect(await taken?.ended).toBe('ended with exit code 2');
    await expectGone(home);
  });

  it('of another program is not given, and ends with what needed none', async () => {
    using home = prepared.trial();
    const { spare, program } = await spareIn(home);
    expect(spare.take({ ...program, python: '/usr/bin/python3' })).toBeNull();
    expect(spare.take({ ...program, service: '/elsewhere/service.py' })).toBeNull();
    spare[Symbol.dispose]();
    expect(spare.take(program)).toBeNull();
    await expectGone(home);
  });

  it('that may have given up its wait is not given', async () => {
    using home = prepared.trial();
    const { spare, program } = await spareIn(home);
    const now = performance.now();
    vi.spyOn(performance, 'now').mockReturnValue(now + 5_001);
    expect(spare.take(program)).toBeNull();
    vi.restoreAllMocks();
    spare[Symbol.dispose]();
    await expectGone(home);
  });

  it('of a Python that is gone does no harm', async () => {
    using home = prepared.trial();
    const context = await testContext(home.path);
    const program = { ...(await programIn(context)), python: join(home.path, 'gone') };
    await rememberGuard(context.paths, program);
    const spare = await prepareGuard(context);
    const taken = spare?.take(program);
    expect(await taken?.ended).toBe('could not be started (ENOENT)');
    taken?.stdin.destroy();
  });
});

describe('the second start in a home', () => {
  it('answers with the guard that waited, also when that one was killed', async () => {
    using home = prepared.trial();
    const first = await ask(home, { words: [QUESTION] });
    expect([first.code, first.stdout]).toEqual([0, 'The capital of Japan is Tokyo.\n']);
    const killed = new Set<number>();
    const second = ask(home, { words: [QUESTION] });
    await until(
      'a guard to kill',
      () => {
        const [guard] = guardsOfHome(home.path);
        if (guard === undefined) return false;
        process.kill(guard.pid, 'SIGKILL');
        killed.add(guard.pid);
        return true;
      },
      GONE_DEADLINE_MS,
    );
    expect(killed.size).toBe(1);
    const began = performance.now();
    expect([(await second).code, (await second).stdout]).toEqual([0, first.stdout]);
    // A start takes half a second; a guard that says nothing is waited for 30 s.
    expect(performance.now() - began).toBeLessThan(15_000);
    await expectGone(home);
  });

  it('leaves no guard behind an error that comes before any start', async () => {
    using home = prepared.trial();
    expect((await ask(home)).code).toBe(0);
    const began = performance.now();
    const failed = await runCli(['generate', 'no-such-model', QUESTION], {
      home: home.path,
      deadlineMs: CLI_DEADLINE_MS,
    });
    expect(failed.stderr).toContain('no-such-model');
    // The command does not wait for the guard that nobody needs.
    expect(performance.now() - began).toBeLessThan(GONE_DEADLINE_MS);
    await expectGone(home);
  });
});
