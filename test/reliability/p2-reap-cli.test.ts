/** P2 through the real CLI: CLI and guard are killed; `ps`, `doctor --reap` or `generate` clears up. */
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli, startCli } from '../support/cli.ts';
import { FAKE_SERVICE, pythonExecutable } from '../support/guarded-session.ts';
import { preparedHome } from '../support/prepared-home.ts';
import {
  describeProcesses,
  endAll,
  enginesOfHome,
  guardsOfHome,
  processesOfHome,
  seeProcess,
  type SeenProcess,
  until,
} from '../support/processes.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';

const COMMANDS = [
  ['ps', '--json'],
  ['doctor', '--reap'],
  ['generate', 'MODEL', 'hi', '--engine', 'fake', '--max-tokens', '4', '--yes'],
] as const;
const TRIALS = isFullSize ? 60 : 6;
const DEADLINE_MS = 120_000;
const FAULTS = ['tree', 'token-delay=20'];

const problem = process.platform === 'linux' ? null : 'survivors are found in /proc';

test.runIf(runsHere('P2 (CLI)', problem))(
  'the next command ends the tree of a killed CLI and its killed guard',
  async () => {
    const suite = new Suite('p2-reap-cli');
    using prepared = await preparedHome();
    await suite.run(TRIALS, { width: 1, deadlineMs: 500_000 }, async (index) => {
      using home = prepared.trial();
      const args = ['generate', home.model, 'count', '--engine', 'fake', '--max-tokens', '400'];
      const options = { home: home.path, faults: FAULTS, deadlineMs: DEADLINE_MS };
      const cli = startCli(args, options);
      await until('the tree', () => enginesOfHome(home.path).length >= 4, DEADLINE_MS);
      await new Promise((resolve) => setTimeout(resolve, suite.random() * 400));
      const [guard] = guardsOfHome(home.path);
      if (guard === undefined) throw new Error('there is no guard');
      process.kill(guard.pid, 'SIGKILL');
      cli.child.kill('SIGKILL');
      await until('the end of the guard', () => seeProcess(guard.pid) === null, DEADLINE_MS);
      const orphans = enginesOfHome(home.path);
      suite.count(`${orphans.length} processes outlived the guard`);
      const stranger = lookAlike(orphans[0]);
      try {
        const command = COMMANDS[index % COMMANDS.length] ?? COMMANDS[0];
        const words = command.map((word) => (word === 'MODEL' ? home.model : word));
        const next = await runCli(words, { home: home.path, deadlineMs: DEADLINE_MS });
        if (next.code !== 0) throw new Error(`${command[0]}: exit ${next.code}, ${next.stderr}`);
        const left = enginesOfHome(home.path).filter(({ pid }) => pid !== stranger.pid);
        if (left.length > 0) throw new Error(`${command[0]} left ${describeProcesses(left)}`);
        if (stranger.exitCode !== null || stranger.signalCode !== null) {
          throw new Error(`${command[0]} ended a process of somebody else`);
        }
        const ledgers = readdirSync(join(home.path, 'state', 'sessions'));
        if (ledgers.length > 0) throw new Error(`${command[0]} left ${ledgers.join(', ')}`);
      } finally {
        stranger.kill('SIGKILL');
        endAll(processesOfHome(home.path));
      }
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(TRIALS);
  },
  600_000,
);

/** A process with the very command line of an orphan and another session's token. */
function lookAlike(orphan: SeenProcess | undefined): ReturnType<typeof spawn> {
  const words = orphan?.commandLine.trim().split(' ').slice(1) ?? [FAKE_SERVICE, 'host', '--'];
  return spawn(pythonExecutable(), words, {
    stdio: 'ignore',
    env: {
      HYPERLLAMA_FAKE_DECOY: '1',
      HYPERLLAMA_RUN_TOKEN: randomBytes(16).toString('hex'),
    },
  });
}
