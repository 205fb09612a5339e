/** Updates and rollbacks of the fake engine in two releases, through the real CLI and installer. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli, startCli, type CliResult } from '../support/cli.ts';
import { publish, type Release } from '../support/fake-release.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { describeProcesses, enginesOfHome, processesOfHome, until } from '../support/processes.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { IndexServer } from './index-server.ts';

/** Two installs and two starts take four seconds on a quiet machine. */
const DEADLINE_MS = 240_000;

let home: TemporaryHome;
let index: IndexServer;
let model = '';
beforeEach(async () => {
  home = temporaryHome();
  index = await new IndexServer().listen();
  model = writeTinyGguf(join(home.path, 'tiny.gguf'));
});
afterEach(async () => {
  await index[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

interface Cli {
  readonly env: Record<string, string>;
  readonly run: (...args: readonly string[]) => Promise<CliResult>;
}

/** A CLI whose release of HyperLlama pins this release of the engine. */
function pinning(release: Release): Cli {
  const env = publish(release, { index, home: home.path });
  const options = { home: home.path, env, deadlineMs: DEADLINE_MS };
  return { env, run: async (...args) => await runCli(args, options) };
}

async function good(running: Promise<CliResult>): Promise<CliResult> {
  const result = await running;
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stdout}${result.stderr}`);
  return result;
}

/** The version that answers just now. */
async function versionInUse({ run }: Cli): Promise<string> {
  const result = await good(run('generate', model, 'count', '--engine', 'fake', '--json'));
  const answer = JSON.parse(result.stdout) as { engine: { version: string } };
  return answer.engine.version;
}

/** Versions on the disk. */
function versionsHere(): readonly string[] {
  const folder = join(home.path, 'data', 'engines', 'fake');
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'hyperllama-environment.json')))
    .map((name) => name.replace('-stdlib', ''))
    .sort();
}

const OLD: Release = { version: '1.0.0' };
const NEW: Release = { version: '1.1.0' };

describe('engines update', { timeout: 2 * DEADLINE_MS }, () => {
  it('puts the new version beside the old one, asks both, prints both speeds and uses the new one', async () => {
    const before = pinning(OLD);
    await good(before.run('engines', 'install', 'fake'));
    const after = pinning(NEW);
    // A newer pin alone changes nothing: what is installed goes on.
    expect(await versionInUse(after)).toBe('1.0.0');
    const { stdout } = await good(
      after.run('engines', 'update', 'fake', '--model', model, '--json'),
    );
    const told = JSON.parse(stdout) as { updates: readonly unknown[] };
    const speed = { startMs: expect.any(Number), tokensPerSecond: expect.any(Number) };
    expect(told.updates).toMatchObject([
      {
        recipe: 'stdlib',
        from: { version: '1.0.0', failure: null, ...speed },
        to: { version: '1.1.0', failure: null, ...speed },
      },
    ]);
    expect(await versionInUse(after)).toBe('1.1.0');
    expect(versionsHere()).toEqual(['1.0.0', '1.1.0']);
    const again = await good(after.run('engines', 'update', 'fake', '--model', model));
    expect(again.stdout).toBe('Fake 1.1.0 is the newest that this release installs\n');
  });

  it('keeps the old version when the new one does not answer, says why, and exits with 6', async () => {
    const before = pinning(OLD);
    await good(before.run('engines', 'install', 'fake'));
    const after = pinning({ ...NEW, faults: 'crash-at-start=3' });
    const refused = await after.run('engines', 'update', 'fake', '--model', model, '--json');
    expect(refused.code).toBe(6);
    const { error } = JSON.parse(refused.stdout) as { error: { code: string; message: string } };
    expect(error.code).toBe('HL_ENGINE_UPDATE_REFUSED');
    expect(error.message).toMatch(/1\.1\.0 did not answer.*1\.0\.0 stays in use.*exit code 3/);
    expect(versionsHere()).toEqual(['1.0.0']);
    expect(await versionInUse(after)).toBe('1.0.0');
  });

  it('that fails leaves on the disk what it found there', async () => {
    await good(pinning(OLD).run('engines', 'install', 'fake'));
    const after = pinning({ ...NEW, faults: 'crash-at-start=3' });
    await good(after.run('engines', 'install', 'fake'));
    await good(after.run('engines', 'rollback', 'fake'));
    expect((await after.run('engines', 'update', 'fake', '--model', model)).code).toBe(6);
    expect(versionsHere()).toEqual(['1.0.0', '1.1.0']);
    expect(await versionInUse(after)).toBe('1.0.0');
  });

  it('of a version that does not answer any more goes through, and says so', async () => {
    const before = pinning({ ...OLD, faults: 'crash-at-start=3' });
    await good(before.run('engines', 'install', 'fake'));
    const after = pinning(NEW);
    const { stdout } = await good(after.run('engines', 'update', 'fake', '--model', model));
    expect(stdout).toMatch(/^1\.0\.0 +- +- +Fake ended in phase `start`: exit code 3$/m);
    expect(await versionInUse(after)).toBe('1.1.0');
  });

  it('keeps one version before the new one, and removes those before', async () => {
    await good(pinning(OLD).run('engines', 'install', 'fake'));
    await good(pinning(NEW).run('engines', 'update', 'fake', '--model', model));
    const newest = pinning({ version: '1.2.0' });
    const { stdout } = await good(newest.run('engines', 'update', 'fake', '--model', model));
    expect(stdout).toMatch(/^removed .*\/1\.0\.0-stdlib$/m);
    expect(versionsHere()).toEqual(['1.1.0', '1.2.0']);
    await good(newest.run('engines', 'rollback', 'fake'));
    expect(await versionInUse(newest)).toBe('1.1.0');
    expect((await newest.run('engines', 'rollback', 'fake')).code).toBe(6);
  });

  it('killed while the new version is being asked leaves the old one in use', async () => {
    const before = pinning(OLD);
    await good(before.run('engines', 'install', 'fake'));
    const after = pinning({ ...NEW, faults: 'hang-decode=2' });
    const options = { home: home.path, env: after.env, deadlineMs: DEADLINE_MS };
    const running = startCli(['engines', 'update', 'fake', '--model', model], options);
    const isAsked = (): boolean =>
      running.output().stderr.includes('a test question to Fake 1.1.0') &&
      enginesOfHome(home.path).some(({ commandLine }) => commandLine.includes('hang-decode'));
    await until('the new version at work', isAsked, DEADLINE_MS);
    running.child.kill('SIGKILL');
    await running.result;
    await until('an empty home', () => processesOfHome(home.path).length === 0, DEADLINE_MS);
    expect(await versionInUse(after)).toBe('1.0.0');
    expect(versionsHere()).toEqual(['1.0.0', '1.1.0']);
  });

  it('refuses a model that is not there before anything is installed', async () => {
    const before = pinning(OLD);
    await good(before.run('engines', 'install', 'fake'));
    const after = pinning(NEW);
    const asked = index.asked.length;
    const nowhere = join(home.path, 'no.gguf');
    expect((await after.run('engines', 'update', 'fake', '--model', nowhere)).code).toBe(5);
    expect(index.asked).toHaveLength(asked);
    expect(versionsHere()).toEqual(['1.0.0']);
  });
});

describe('engines rollback', { timeout: 2 * DEADLINE_MS }, () => {
  it('goes back without a download, and an update goes forward again without one', async () => {
    const before = pinning(OLD);
    await good(before.run('engines', 'install', 'fake'));
    const after = pinning(NEW);
    await good(after.run('engines', 'update', 'fake', '--model', model));
    const asked = index.asked.length;
    const back = await good(after.run('engines', 'rollback', 'fake'));
    expect(back.stdout).toBe('Fake 1.0.0 is in use again, 1.1.0 is kept (stdlib)\n');
    expect(await versionInUse(after)).toBe('1.0.0');
    expect((await after.run('engines', 'rollback', 'fake')).code).toBe(6);
    await good(after.run('engines', 'update', 'fake', '--model', model));
    expect(await versionInUse(after)).toBe('1.1.0');
    expect(index.asked).toHaveLength(asked);
  });

  it('goes to the version before the last update, not to one that was given up before', async () => {
    await good(pinning(OLD).run('engines', 'install', 'fake'));
    const after = pinning(NEW);
    await good(after.run('engines', 'update', 'fake', '--model', model));
    await good(after.run('engines', 'rollback', 'fake'));
    const newest = pinning({ version: '1.2.0' });
    const { stdout } = await good(newest.run('engines', 'update', 'fake', '--model', model));
    expect(stdout).toMatch(/^removed .*\/1\.1\.0-stdlib$/m);
    expect(versionsHere()).toEqual(['1.0.0', '1.2.0']);
    await good(newest.run('engines', 'rollback', 'fake'));
    expect(await versionInUse(newest)).toBe('1.0.0');
  });
});

describe('engines remove', { timeout: 2 * DEADLINE_MS }, () => {
  it('refuses while a session uses it, naming the session, and takes all versions after a stop', async () => {
    const { run } = pinning(OLD);
    await good(run('engines', 'install', 'fake'));
    await good(run('generate', model, 'hi', '--engine', 'fake', '--keep-alive', '10m'));
    const refused = await run('engines', 'remove', 'fake');
    expect(refused.code).toBe(6);
    expect(refused.stderr).toMatch(/Fake is in use by `[0-9a-f]{8} \(.*tiny\.gguf\)`/);
    expect(refused.stderr).toContain('hint: run `hyperllama stop fake` first');
    expect(versionsHere()).toEqual(['1.0.0']);
    await good(run('stop', 'fake'));
    const removed = await good(run('engines', 'remove', 'fake'));
    expect(removed.stdout).toMatch(/^removed .*\/1\.0\.0-stdlib, \d+ [KM]iB freed\n$/);
    expect(versionsHere()).toEqual([]);
    expect(describeProcesses(processesOfHome(home.path))).toBe('');
  });
});
