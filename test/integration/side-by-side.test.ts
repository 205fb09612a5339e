/** A build for the CPU and one for a GPU side by side: what is planned is what would be started. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { environmentOf, installedEnvironments } from '../../src/launch/environment.ts';
import { sessionsFrom } from '../../src/launch/fleet.ts';
import { startSession } from '../../src/launch/start.ts';
import { SESSION_SCHEMA, sessionsFolder } from '../../src/launch/ledger.ts';
import { choose } from '../../src/pipeline.ts';
import { makeWorkload } from '../../src/workloads/presets.ts';
import { FAKE_ENGINE, runCli, type CliResult } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { seeProcess } from '../support/processes.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { testContext } from './context.ts';

/** As the installer leaves it. */
function put(home: string, version: string, recipe: string): string {
  const folder = join(home, 'data', 'engines', 'fake', `${version}-${recipe}`);
  mkdirSync(folder, { recursive: true });
  const marker = { version, recipe, build: 'fake', devices: ['cpu'], bytesOnDisk: 1 };
  writeFileSync(join(folder, 'hyperllama-environment.json'), JSON.stringify(marker));
  return folder;
}

it('plans with the version of the build that it starts, and shares by it', async () => {
  using home = temporaryHome();
  const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
  const env = { ...process.env, HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE };
  const context = await testContext(home.path, { env });
  const workload = makeWorkload('chat', {});
  const wanted = { model, workload, engineId: 'fake', isToRun: true, machine: null };
  put(home.path, '2026.10', 'cuda');
  expect((await choose(wanted, context)).plan.engine.version).toBe('1.0.0');
  put(home.path, '2026.8', 'stdlib');
  const before = await choose(wanted, context);
  put(home.path, '2026.9', 'stdlib');
  const after = await choose(wanted, context);
  for (const [choice, version] of [
    [before, '2026.8'],
    [after, '2026.9'],
  ] as const) {
    expect(choice.plan.engine.version).toBe(version);
    expect(choice.installation?.version).toBe(version);
  }
  expect((await environmentOf(context.paths, after.plan))?.version).toBe('2026.9');
  expect(after.plan.fingerprint).not.toBe(before.plan.fingerprint);
});

it('starts a plan from the version it was made for, and says so when that one is gone', async () => {
  using home = temporaryHome();
  const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
  const env = { ...process.env, HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE };
  const context = await testContext(home.path, { env });
  const workload = makeWorkload('chat', {});
  const wanted = { model, workload, engineId: 'fake', isToRun: true, machine: null };
  const old = put(home.path, '2026.8', 'stdlib');
  const { plan, decision } = await choose(wanted, context);
  // As an update leaves it while the plan is on its way, or while a deployment runs.
  put(home.path, '2026.9', 'stdlib');
  expect((await environmentOf(context.paths, plan))?.version).toBe('2026.8');
  rmSync(old, { recursive: true });
  expect(await environmentOf(context.paths, plan)).toBeNull();
  const limits = { keepAliveMs: 0, startDeadlineMs: null };
  await expect(startSession({ engine: decision.engine, plan }, limits, context)).rejects.toThrow(
    'Fake is not installed: version 2026.8 (stdlib), which the plan was made for, is not here any more',
  );
});

it('finds the sessions of one of two builds of the same version', async () => {
  using home = temporaryHome();
  const { paths } = await testContext(home.path);
  for (const recipe of ['cuda', 'stdlib']) put(home.path, '1.0.0', recipe);
  mkdirSync(sessionsFolder(paths), { recursive: true });
  // A guard that is alive for as long as the test is.
  const guard = { pid: process.pid, startTime: seeProcess(process.pid)?.startTime };
  const about = { engine: 'fake', version: '1.0.0' };
  const sessions = {
    '00000001': { ...about, recipe: 'stdlib' },
    '00000002': { ...about, recipe: 'cuda' },
    // From a program of the user's own.
    '00000003': { ...about, recipe: null },
  };
  for (const [key, about] of Object.entries(sessions)) {
    const entry = { schema: SESSION_SCHEMA, key, bootId: null, guard, about };
    writeFileSync(join(sessionsFolder(paths), `${key}.json`), JSON.stringify(entry));
  }
  const environments = await installedEnvironments(paths, 'fake');
  const users = await sessionsFrom(
    environments.filter(({ recipe }) => recipe === 'stdlib'),
    'fake',
    paths,
  );
  expect(users.map(({ key }) => key)).toEqual(['00000001']);
});

it('verifies each of two builds, and fails for the older one too', async () => {
  using home = temporaryHome();
  for (const [version, recipe, ok] of [
    ['1.1.0', 'cuda', true],
    ['1.0.0', 'stdlib', false],
  ] as const) {
    const bin = join(put(home.path, version, recipe), 'bin');
    mkdirSync(bin);
    // In place of the interpreter that runs the service.
    const finding = JSON.stringify({ ok, code: 'engine', because: recipe, hint: null });
    writeFileSync(join(bin, 'python'), `#!/bin/sh\necho '${finding}'\n`, { mode: 0o755 });
  }
  const verify = async (...more: readonly string[]): Promise<CliResult> =>
    await runCli(['engines', 'verify', 'fake', ...more], { home: home.path, deadlineMs: 60_000 });
  const { code, stdout } = await verify('--json');
  expect([code, JSON.parse(stdout)]).toMatchObject([
    6,
    {
      engines: [
        { id: 'fake', version: '1.1.0', recipe: 'cuda', ok: true },
        { id: 'fake', version: '1.0.0', recipe: 'stdlib', ok: false },
      ],
    },
  ]);
  expect((await verify()).stdout).toBe(
    'fake 1.1.0 (cuda)\nok  engine: cuda\nfake 1.0.0 (stdlib)\nbad engine: stdlib\n',
  );
});
