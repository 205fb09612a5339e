/**
 * P7: a load that makes progress may take as long as it likes; one that stalls ends at the stall
 * limit, scaled down here, with nothing left alive.
 */
import { expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.ts';
import { GuardedSession, type SessionLine } from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { preparedHome } from '../support/prepared-home.ts';
import { describeProcesses, endAll, processesOfHome, untilEmpty } from '../support/processes.ts';
import { runsHere, Suite } from '../support/suite.ts';

/** A load is this many times longer than the silence that ends one, as ten minutes are to five. */
const STALL_MS = 2000;
const LOAD_SECONDS = 5;
const DEADLINE_MS = 120_000;

const problem = process.platform === 'linux' ? null : 'signs of work are read from /proc';

interface Case {
  readonly name: string;
  readonly faults: readonly string[];
  readonly more?: readonly string[];
  readonly judge: (result: CliResult) => string | null;
}

/** Well beyond the second that lies between two looks of the guard. */
const QUIET_MS = 2500;

function isQuiet(line: SessionLine): boolean {
  return line.event === 'alive' && Number(line['quietMs']) >= QUIET_MS;
}

function answered({ code, stdout, stderr }: CliResult): string | null {
  return code === 0 && stdout.includes('Tokyo') ? null : `exit ${code}: ${stderr}`;
}

function gaveUp(limit: RegExp): (result: CliResult) => string | null {
  return ({ code, stdout }) => {
    const isNamed = stdout.includes('HL_ENGINE_START_TIMEOUT') && limit.test(stdout);
    return code === 6 && isNamed ? null : `exit ${code}: ${stdout}`;
  };
}

const CASES: readonly Case[] = [
  { name: 'progress on the log', faults: [`slow-load=${LOAD_SECONDS}`], judge: answered },
  { name: 'a stall', faults: ['silent-load=60'], judge: gaveUp(/no sign of work/) },
  {
    name: 'a stall of a whole tree',
    faults: ['silent-load=60', 'tree'],
    judge: gaveUp(/no sign of work/),
  },
  {
    // The stall timer never speaks, the cap does.
    name: 'progress without an end',
    faults: ['never-ready'],
    more: ['--timeout', '3s'],
    judge: gaveUp(/longer than/),
  },
];

test.runIf(runsHere('P7', problem))(
  'a slow load with progress survives, a stalled one ends at the limit with an empty tree',
  async () => {
    const suite = new Suite('p7-slow-load');
    using prepared = await preparedHome();
    await suite.run(CASES.length, { width: 2, deadlineMs: 200_000 }, async (index) => {
      const { name, faults, more, judge } = CASES[index] ?? {
        name: '',
        faults: [],
        judge: answered,
      };
      using home = prepared.trial();
      const args = ['generate', home.model, 'What is the capital of Japan?', '--engine', 'fake'];
      const result = await runCli([...args, '--yes', '--json', ...(more ?? [])], {
        home: home.path,
        faults,
        env: { HYPERLLAMA_STALL_MS: String(STALL_MS) },
        deadlineMs: DEADLINE_MS,
      });
      suite.duration(result.durationMs);
      suite.fact(name, `exit ${result.code} after ${Math.round(result.durationMs)} ms`);
      const left = processesOfHome(home.path);
      endAll(left);
      if (left.length > 0) throw new Error(`${name}: left ${describeProcesses(left)}`);
      const wrong = judge(result);
      if (wrong !== null) throw new Error(`${name}: ${wrong}`);
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(CASES.length);
  },
  300_000,
);

test.runIf(runsHere('P7 (guard)', problem))(
  'the guard tells silence from work, whatever the work shows in',
  async () => {
    using home = temporaryHome();
    const silent = new GuardedSession({ home: home.path, faults: ['silent-load=30'] });
    const busy = new GuardedSession({ home: home.path, faults: ['slow-load=30'] });
    try {
      await silent.line('word of silence', isQuiet, DEADLINE_MS);
      const heard = busy.lines.filter(({ event }) => event === 'alive');
      expect(heard.length).toBeGreaterThan(0);
      expect(busy.lines.filter(isQuiet)).toEqual([]);
    } finally {
      silent.killStarter();
      busy.killStarter();
      // Before the home goes: a guard writes its ledger once more when it stops.
      await untilEmpty(() => [...silent.survivors(), ...busy.survivors()], 20_000);
    }
  },
  DEADLINE_MS,
);
