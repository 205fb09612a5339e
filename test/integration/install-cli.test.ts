/** `engines install` as several processes meet it: at once, killed in the middle, and again. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runCli, startCli, type CliOptions } from '../support/cli.ts';
import { publish } from '../support/fake-release.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { processesOfHome, until } from '../support/processes.ts';
import { IndexServer } from './index-server.ts';

/** An install takes a second on a quiet machine. */
const DEADLINE_MS = 120_000;

let home: TemporaryHome;
let index: IndexServer;
let options: CliOptions;
beforeEach(async () => {
  home = temporaryHome();
  index = await new IndexServer().listen();
  const env = publish({ version: '1.0.0' }, { index, home: home.path });
  options = { home: home.path, env, deadlineMs: DEADLINE_MS };
});
afterEach(async () => {
  await index[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

const INSTALL = ['engines', 'install', 'fake'];
const downloads = (): number => index.asked.filter((path) => path.startsWith('/files/')).length;
/** All but lock files. */
const kept = (): readonly string[] =>
  readdirSync(join(home.path, 'data', 'engines', 'fake'))
    .filter((name) => !name.endsWith('.lock'))
    .sort();

it(
  'two processes share one install: both succeed, one has fetched',
  { timeout: DEADLINE_MS },
  async () => {
    const both = await Promise.all([runCli(INSTALL, options), runCli(INSTALL, options)]);
    expect(both.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual([
      [0, ''],
      [0, ''],
    ]);
    expect(kept()).toEqual(['1.0.0-stdlib', 'in-use.json']);
    const one = downloads();
    expect((await runCli(INSTALL, options)).code).toBe(0);
    expect(downloads()).toBe(one);
  },
);

it('of what is there says so and announces no download', { timeout: DEADLINE_MS }, async () => {
  const first = await runCli(INSTALL, options);
  expect([first.stdout, first.stderr]).toEqual([
    expect.stringMatching(/^installed Fake 1\.0\.0 in /),
    expect.stringContaining('to download'),
  ]);
  const again = await runCli(INSTALL, options);
  const path = join(home.path, 'data', 'engines', 'fake', '1.0.0-stdlib');
  expect([again.code, again.stdout, again.stderr]).toEqual([
    0,
    `Fake 1.0.0 is already installed: ${path}\n`,
    '',
  ]);
});

it(
  'a killed command leaves nothing half-made, and the next install succeeds',
  { timeout: DEADLINE_MS },
  async () => {
    const goOn = index.holdFiles();
    const running = startCli(INSTALL, options);
    await until('the download', () => downloads() > 0, DEADLINE_MS);
    running.child.kill('SIGKILL');
    await running.result;
    await until(
      'the end of the installer',
      () => processesOfHome(home.path).length === 0,
      DEADLINE_MS,
    );
    expect(kept()).toEqual([]);
    goOn();
    expect((await runCli(INSTALL, options)).code).toBe(0);
    expect(kept()).toEqual(['1.0.0-stdlib', 'in-use.json']);
  },
);

it('a second process goes on where the first was killed', { timeout: DEADLINE_MS }, async () => {
  const goOn = index.holdFiles();
  const first = startCli(INSTALL, options);
  await until('the download', () => downloads() > 0, DEADLINE_MS);
  const second = startCli(INSTALL, options);
  const isWaiting = (): boolean => second.output().stderr.includes(' wait for another install');
  await until('the second to wait', isWaiting, DEADLINE_MS);
  first.child.kill('SIGKILL');
  goOn();
  expect((await second.result).code).toBe(0);
  expect(kept()).toEqual(['1.0.0-stdlib', 'in-use.json']);
});
