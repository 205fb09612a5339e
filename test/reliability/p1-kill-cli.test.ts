/** P1 through the real CLI: `kill -9` at any moment of a `generate`, and of a first install. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { liveHome, MODEL } from '../live/home.ts';
import { runCli, type RunningCli, startCli } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { preparedHome } from '../support/prepared-home.ts';
import {
  endAll,
  enginesOfHome,
  guardsOfHome,
  processesOfHome,
  until,
  untilEmpty,
} from '../support/processes.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';

const KILLS = isFullSize ? 200 : 20;
const INSTALL_KILLS = isFullSize ? 20 : 4;
const CLI_DEADLINE_MS = 120_000;
/** The goal is 500 ms at the 99th percentile; a busy machine gets twenty times that. */
const EMPTY_DEADLINE_MS = 10_000;
const FAULTS = ['tree', 'slow-load=0.1', 'prefill-delay=40', 'token-delay=4'];

const problem = process.platform === 'linux' ? null : 'survivors are found in /proc';

/** What a run must have come to before its kill, and how long after it the kill may come, in ms. */
const STAGES: readonly [Stage, ...Stage[]] = [
  ['its start', () => true, 300],
  ['a guard', (home) => guardsOfHome(home).length > 0, 100],
  ['an engine', (home) => enginesOfHome(home).length > 0, 250],
  ['the first word', (_home, cli) => cli.output().stdout !== '', 400],
];
type Stage = readonly [string, (home: string, cli: RunningCli) => boolean, number];

/** More tokens than any kill waits for: a CLI that ends by itself was not killed. */
function ask(model: string, tokens = 5000): readonly string[] {
  return ['generate', model, 'count', '--engine', 'fake', '--max-tokens', String(tokens), '--yes'];
}

function killLiving({ child }: RunningCli): void {
  if (child.exitCode !== null || child.signalCode !== null) {
    throw new Error('the CLI had ended before its kill, so nothing was tried');
  }
  child.kill('SIGKILL');
}

async function expectEmpty(home: string, suite: Suite, when: string): Promise<void> {
  try {
    const { ms, reappearances } = await untilEmpty(() => processesOfHome(home), EMPTY_DEADLINE_MS);
    suite.duration(ms);
    if (reappearances > 0) suite.count('empty, then not');
  } catch (thrown) {
    endAll(processesOfHome(home));
    throw new Error(`${when}: ${String(thrown)}`, { cause: thrown });
  }
}

test.runIf(runsHere('P1 (CLI)', problem))(
  'leaves no process when the CLI gets kill -9 at any moment of a generate',
  async () => {
    const suite = new Suite('p1-kill-cli');
    using prepared = await preparedHome();
    await suite.run(KILLS, { width: 2, deadlineMs: 400_000 }, async (index) => {
      using home = prepared.trial();
      const cli = startCli(ask(home.model), {
        home: home.path,
        faults: FAULTS,
        deadlineMs: CLI_DEADLINE_MS,
      });
      const [stage, isReached, lastsMs] = STAGES[index % STAGES.length] ?? STAGES[0];
      await until(stage, () => isReached(home.path, cli), CLI_DEADLINE_MS);
      await new Promise((resolve) => setTimeout(resolve, suite.random() * lastsMs));
      suite.count(`${stage}: ${processesOfHome(home.path).length} processes at the kill`);
      killLiving(cli);
      await expectEmpty(home.path, suite, `killed after ${stage}`);
      if (index % 5 !== 0) return;
      // What a kill leaves on the disk must not hold up the next command.
      const next = await runCli(ask(home.model, 8), {
        home: home.path,
        deadlineMs: CLI_DEADLINE_MS,
      });
      if (next.code !== 0) throw new Error(`the next run: exit ${next.code}, ${next.stderr}`);
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(KILLS);
  },
  600_000,
);

test.runIf(runsHere('P1 (install)', problem))(
  'a CLI killed during the first install leaves no process, and the next one installs',
  async () => {
    const suite = new Suite('p1-kill-install');
    await suite.run(INSTALL_KILLS, { width: 1, deadlineMs: 250_000 }, async () => {
      using home = temporaryHome();
      const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
      const options = { home: home.path, deadlineMs: CLI_DEADLINE_MS };
      const cli = startCli(ask(model), { ...options, faults: ['token-delay=4'] });
      const isInstalling = (): boolean =>
        processesOfHome(home.path).some(({ commandLine }) => commandLine.includes('install'));
      await until('the installer', isInstalling, CLI_DEADLINE_MS);
      await new Promise((resolve) => setTimeout(resolve, suite.random() * 250));
      suite.count(isInstalling() ? 'killed while it installed' : 'killed after the install');
      killLiving(cli);
      await expectEmpty(home.path, suite, 'killed while installing');
      const next = await runCli(ask(model, 8), options);
      if (next.code !== 0) throw new Error(`the next run: exit ${next.code}, ${next.stderr}`);
      const folders = readdirSync(join(home.path, 'data', 'engines', 'fake'));
      const staged = folders.filter((name) => name.includes('staging'));
      if (staged.length > 0) throw new Error(`staging folders are left: ${staged.join(', ')}`);
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(INSTALL_KILLS);
    // Kills that all came too late would have shown nothing of an install.
    expect(Object.keys(result.facts)).toContain('killed while it installed');
  },
  300_000,
);

const LLAMA_KILLS = isFullSize ? 60 : 20;

test.runIf(runsHere('P1 (llama.cpp)', problem))(
  'leaves nothing of a real llama.cpp when the CLI gets kill -9',
  async () => {
    const suite = new Suite('p1-kill-llama-cpp');
    using installed = await liveHome();
    await suite.run(LLAMA_KILLS, { width: 1, deadlineMs: 500_000 }, async (index) => {
      using home = installed.trial();
      const cli = startCli(
        ['generate', MODEL, 'Tell a long story.', '--temperature', '0', '--quiet'],
        { home: home.path, deadlineMs: CLI_DEADLINE_MS },
      );
      const isSpawned = (): boolean => enginesOfHome(home.path).length > 0;
      await until('the engine', isSpawned, CLI_DEADLINE_MS);
      const hasSpoken = (): boolean => cli.output().stdout !== '';
      if (index % 2 === 0) await until('the first word', hasSpoken, CLI_DEADLINE_MS);
      await new Promise((resolve) => setTimeout(resolve, suite.random() * 700));
      suite.count(hasSpoken() ? 'killed while it spoke' : 'killed before the first word');
      killLiving(cli);
      await expectEmpty(home.path, suite, 'llama.cpp');
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(LLAMA_KILLS);
  },
  600_000,
);
