/** P4: a stranger races for the engine's port; whoever wins, no request ever reaches the stranger. */
import { expect, test } from 'vitest';
import { GuardedSession, type SessionLine } from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { endAll, until } from '../support/processes.ts';
import { freePort, Squatter } from '../support/squatter.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';

const TRIALS = isFullSize ? 500 : 60;
const DEADLINE_MS = 30_000;
/** On a quiet machine the fake engine binds in the middle of this. */
const RACE_MS = 300;

const problem = process.platform === 'linux' ? null : 'who listens is read from /proc';

function hasEnded(line: SessionLine): boolean {
  return line.event === 'squatted' || line.event === 'exited' || line.phase === 'done';
}

test.runIf(runsHere('P4', problem))(
  'sends no byte to a stranger that races for the port',
  async () => {
    const suite = new Suite('p4-stranger');
    using home = temporaryHome();
    await suite.run(TRIALS, { width: 2, deadlineMs: 550_000 }, async (index) => {
      const port = await freePort();
      // An engine that shares its port (vLLM sets SO_REUSEPORT) with a stranger that came first.
      const isShared = index % 6 === 5;
      const host = suite.pick(['127.0.0.1', '0.0.0.0']);
      const squatter = new Squatter({ port, host, reusePort: isShared });
      const beginMs = isShared ? 0 : suite.random() * RACE_MS;
      if (isShared) await squatter.squat(1000);
      const session = new GuardedSession({
        home: home.path,
        faults: isShared ? ['reuse-port'] : [],
        address: { kind: 'tcp', host: '127.0.0.1', port },
        maxTokens: 4,
      });
      const racing = new Promise((resolve) => setTimeout(resolve, beginMs)).then(async () =>
        isShared ? true : await squatter.squat(RACE_MS * 2),
      );
      try {
        await session.line('end of the race', hasEnded, DEADLINE_MS);
        const hasWon = await racing;
        const isDone = session.lines.some(({ phase }) => phase === 'done');
        const isListening = session.lines.some(({ event }) => event === 'listening');
        const outcome = session.lines.find(hasEnded);
        suite.count(
          `${isShared ? 'shared, ' : ''}stranger ${hasWon ? 'won' : 'lost'}: ${outcome?.event ?? 'served'}`,
        );
        if (squatter.received !== '') {
          throw new Error(`the stranger was sent ${JSON.stringify(squatter.received)}`);
        }
        if (hasWon && isListening) throw new Error('`listening` was said over a stranger');
        if (!hasWon && !isDone) throw new Error(`a free port, but ${JSON.stringify(outcome)}`);
      } finally {
        session.killStarter();
        await until('an empty tree', () => session.survivors().length === 0, DEADLINE_MS).catch(
          (thrown: unknown) => {
            endAll(session.survivors());
            throw thrown;
          },
        );
        await squatter.close();
      }
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(TRIALS);
    // Without a stranger that wins and one that loses nothing was raced.
    const outcomes = Object.keys(result.facts).join();
    expect(outcomes).toContain('stranger won');
    expect(outcomes).toContain('stranger lost');
  },
  600_000,
);
