/**
 * P11, the guard's ledger: `kill -9` of a guard at any point leaves a ledger that can be read, and
 * one is there as soon as a holder was told of a process.
 */
import { expect, test } from 'vitest';
import { GuardedSession, readLedger, reap } from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { endAll, until } from '../support/processes.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';

const TRIALS = isFullSize ? 500 : 60;
const DEADLINE_MS = 30_000;
/** From the start of a guard past its engine's readiness, when the machine is quiet. */
const LIFE_MS = 220;

const problem = process.platform === 'linux' ? null : 'what a killed guard left is found in /proc';

test.runIf(runsHere('P11 (ledger)', problem))(
  'a guard killed at any point leaves a readable ledger of the process it told of',
  async () => {
    const suite = new Suite('p11-ledger');
    await suite.run(TRIALS, { width: 2, deadlineMs: 550_000 }, async (index) => {
      // Its own, because the other trial's reaper would find this one's ledger.
      using home = temporaryHome();
      const session = new GuardedSession({ home: home.path, faults: ['tree'], maxTokens: 8 });
      await session.phase('spawn', DEADLINE_MS);
      // Half of the kills at any time, the others as close behind the two writes as can be.
      if (index % 4 === 1) await session.event('spawned', DEADLINE_MS);
      else if (index % 4 === 3) await session.event('ready', DEADLINE_MS);
      else await new Promise((resolve) => setTimeout(resolve, suite.random() * LIFE_MS));
      session.killGuard();
      const told = session.lines.some(({ event }) => event === 'spawned');
      const isReady = session.lines.some(({ event }) => event === 'ready');
      try {
        await until(
          'the end of the guard',
          () => session.survivors().every(({ pid }) => pid !== session.guardPid),
          DEADLINE_MS,
        );
        const ledger = readLedger(session.ledgerFile);
        const state = ledger === null ? 'no ledger' : String(ledger['state']);
        suite.count(`${isReady ? 'ready' : told ? 'spawned' : 'nothing'} told: ${state}`);
        if (ledger === null && told) throw new Error('`spawned` was told, but there is no ledger');
        if (ledger !== null && ledger['token'] !== session.token) {
          throw new Error(`the ledger is not whole: ${JSON.stringify(ledger)}`);
        }
      } finally {
        session.killStarter();
        reap(home.path);
        endAll(session.survivors());
      }
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(TRIALS);
  },
  600_000,
);
