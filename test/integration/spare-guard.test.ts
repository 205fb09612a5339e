/** A guard that waits for its order before anybody knows what for. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
import { runCli, type CliResult } from '../support/cli.ts';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import {
  guardsOfHome,
  processesOfHome,
  until,
  untilEmpty,
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
  await untilEmpty(() => processesOfHome(home.path), GONE_DEADLINE_MS);
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

  it('that is ended while it waits ends at once, and is not given', async () => {
    using home = prepared.trial();
    const { spare, program, guard } = await spareIn(home);
    // Far behind what it imports, and far before it gives up its wait.
    await new Promise((resolve) => setTimeout(resolve, 500));
    process.kill(guard.pid, 'SIGTERM');
    await expectGone(home);
    await expect.poll(() => spare.take(program), { timeout: GONE_DEADLINE_MS }).toBeNull();
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
  it('starts what the first one took while it decides, and takes it', async () => {
    using home = prepared.trial();
    const remembered = join(home.path, 'state', 'guard.json');
    expect((await ask(home)).code).toBe(0);
    const program = await programIn(await testContext(home.path));
    expect(JSON.parse(readFileSync(remembered, 'utf8'))).toEqual(program);
    expect(await guardsSeen(home, ask(home))).toHaveLength(1);
    // Of another name it is started as early, and cannot be taken.
    const other = join(home.path, 'other-python');
    symlinkSync(program.python, other);
    writeFileSync(remembered, JSON.stringify({ ...program, python: other }));
    const seen = await guardsSeen(home, ask(home));
    expect(seen.map(({ commandLine }) => commandLine.split(' ')[0])).toEqual([
      other,
      program.python,
    ]);
    expect(JSON.parse(readFileSync(remembered, 'utf8'))).toEqual(program);
    await expectGone(home);
  });

  it('answers although the guard that waited was killed', async () => {
    using home = prepared.trial();
    const asking = { words: [QUESTION], faults: ['slow-load=2'] };
    const first = await ask(home, asking);
    expect([first.code, first.stdout]).toEqual([0, 'The capital of Japan is Tokyo.\n']);
    const began = performance.now();
    const second = ask(home, asking);
    const isThere = (): boolean => guardsOfHome(home.path).length > 0;
    await until('a guard to kill', isThere, GONE_DEADLINE_MS);
    const [guard] = guardsOfHome(home.path);
    if (guard !== undefined) process.kill(guard.pid, 'SIGKILL');
    expect([(await second).code, (await second).stdout]).toEqual([0, first.stdout]);
    // A start takes two seconds; a guard that says nothing is waited for 30.
    expect(performance.now() - began).toBeLessThan(20_000);
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

  it('works whatever stands where the first one wrote', async () => {
    using home = prepared.trial();
    const remembered = join(home.path, 'state', 'guard.json');
    for (const text of [
      '{',
      'null',
      '{"python":"","service":""}',
      '{"python":"python3","service":"service.py"}',
      '{"python":"/etc/passwd/bin/python","service":"/service.py"}',
      `{"python":"/${'x'.repeat(5000)}","service":"/service.py"}`,
      '{"python":"/a\\u0000b","service":"/service.py"}',
    ]) {
      mkdirSync(dirname(remembered), { recursive: true });
      writeFileSync(remembered, text);
      expect((await ask(home)).code, text).toBe(0);
    }
    rmSync(remembered);
    mkdirSync(remembered);
    expect((await ask(home)).code).toBe(0);
    await expectGone(home);
  });
});

/** The guards that were there while `running` ran, oldest first. */
async function guardsSeen(
  home: TrialHome,
  running: Promise<CliResult>,
): Promise<readonly SeenProcess[]> {
  const seen = new Map<number, SeenProcess>();
  let code: number | null = null;
  void running.then((result) => (code = result.code));
  const look = (): boolean => {
    for (const guard of guardsOfHome(home.path)) seen.set(guard.pid, guard);
    return code !== null;
  };
  await until('an answer', look, CLI_DEADLINE_MS);
  expect(code).toBe(0);
  // Between its fork and its exec an engine looks like the guard that starts it.
  const guards = [...seen.values()].filter(({ parent }) => !seen.has(parent));
  return guards.sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
}
