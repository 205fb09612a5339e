/**
 * P1: `kill -9` of the process that holds a session, at any moment, leaves nothing alive of a
 * four-process tree that ignores SIGTERM.
 */
import { expect, test } from 'vitest';
import { GuardedSession } from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { describeProcesses, endAll, processesWithToken, untilEmpty } from '../support/processes.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';

const KILLS = isFullSize ? 1000 : 180;
/** The goal is 500 ms at the 99th percentile; a busy machine gets twenty times that. */
const EMPTY_DEADLINE_MS = 10_000;
const PHASE_DEADLINE_MS = 30_000;
/** Phases of a session and how long each lasts with the faults below, in ms. */
const PHASES = [
  ['spawn', 90],
  ['load', 80],
  ['warm-up', 40],
  ['prefill', 40],
  ['decode', 200],
] as const;
const FAULTS = ['tree', 'slow-load=0.08', 'prefill-delay=40', 'token-delay=4'];

const problem = process.platform === 'linux' ? null : 'survivors are found in /proc';

test.runIf(runsHere('P1', problem))(
  'leaves no process of the tree when the holder gets kill -9 in any phase',
  async () => {
    const suite = new Suite('p1-kill-holder');
    const tokens: string[] = [];
    using home = temporaryHome();
    await suite.run(KILLS, { width: 2, deadlineMs: 850_000 }, async (index) => {
      const [phase, lastsMs] = PHASES[index % PHASES.length] ?? PHASES[0];
      const afterMs = suite.random() * lastsMs;
      const session = new GuardedSession({ home: home.path, faults: FAULTS, maxTokens: 400 });
      tokens.push(session.token);
      await session.phase(phase, PHASE_DEADLINE_MS);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      const treeSize = session.survivors().length;
      suite.count(`${phase}: ${treeSize} processes at the kill`);
      session.killStarter();
      try {
        const { ms, reappearances } = await untilEmpty(
          () => session.survivors(),
          EMPTY_DEADLINE_MS,
        );
        suite.duration(ms);
        if (reappearances > 0) suite.count('empty, then not');
      } catch {
        const left = session.survivors();
        endAll(left);
        throw new Error(`${phase} +${Math.round(afterMs)} ms: ${describeProcesses(left)}`);
      }
    });
    // Whatever was between two looks at the moment of its trial shows up now.
    const late = tokens.flatMap((token) => processesWithToken(token));
    endAll(late);
    if (late.length > 0) suite.fail(`left at the end: ${describeProcesses(late)}`);
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(KILLS);
  },
  900_000,
);
