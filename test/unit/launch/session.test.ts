/** Who holds a session hears of its end once, however late it begins to listen. */
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { GuardLink, type ExitedEvent } from '../../../src/launch/guard-link.ts';
import { Session } from '../../../src/launch/session.ts';
import { fakeEngine } from '../../fixtures/fake-engine/engine.ts';
import { testPlan } from '../generate/session.ts';

const EXIT: ExitedEvent = {
  event: 'exited',
  code: null,
  signal: 'SIGSEGV',
  isOom: false,
  isWanted: false,
  tail: [],
};

function held(): {
  readonly session: Session;
  readonly guard: PassThrough;
  readonly link: GuardLink;
} {
  const guard = new PassThrough();
  const link = new GuardLink(guard, new PassThrough());
  const session = new Session(
    {
      key: '0123abcd',
      engine: fakeEngine('unix'),
      plan: testPlan(),
      address: { kind: 'unix', path: '/nowhere' },
      startMs: 0,
      loadMs: null,
      isAttached: false,
      logFile: '/dev/null',
    },
    link,
  );
  return { session, guard, link };
}

/** Everything that is due has run by then. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe.each([
  ['whose engine crashed', EXIT],
  ['whose guard vanished without a word', null],
])('a session %s', (_, exit) => {
  it('tells who listens, and who begins to listen afterwards, each once and never at once', async () => {
    const { session, guard, link } = held();
    const heard: [string, ExitedEvent | null][] = [];
    session.whenExited((end) => heard.push(['before', end]));
    if (exit !== null) guard.write(`${JSON.stringify(exit)}\n`);
    guard.end();
    await link.closed;
    await settled();
    session.whenExited((end) => heard.push(['after', end]));
    expect(heard).toEqual([['before', exit]]);
    await settled();
    expect(heard).toEqual([
      ['before', exit],
      ['after', exit],
    ]);
  });

  it('tells nobody who stopped listening, and nobody who had released it', async () => {
    const { session, guard, link } = held();
    const heard: string[] = [];
    session.whenExited(() => heard.push('before'))();
    const released = held();
    released.session.whenExited(() => heard.push('released'));
    const release = released.session.release();
    for (const end of [guard, released.guard]) {
      if (exit !== null && end === guard) end.write(`${JSON.stringify(exit)}\n`);
      end.end();
    }
    await Promise.all([link.closed, release]);
    await settled();
    session.whenExited(() => heard.push('after'))();
    released.session.whenExited(() => heard.push('released'));
    await settled();
    expect(heard).toEqual([]);
  });
});
