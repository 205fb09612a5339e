/** Answers: which sessions run just now, asked of their guards; and ends one of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../base/context.ts';
import type { Paths } from '../base/paths.ts';
import type { Installation } from '../engines/engine.ts';
import { connectGuard, type GuardLink, type SessionEvent } from './guard-link.ts';
import {
  isGuardAlive,
  readLedger,
  reapDeadSessions,
  type LedgerEntry,
  type Reaped,
} from './ledger.ts';
import { withDeadline } from './session.ts';

export interface RunningSession {
  readonly entry: LedgerEntry;
  /** The guard's own word; `null` when it did not answer in time. */
  readonly live: SessionEvent | null;
}

/** A guard answers in a millisecond; one under heavy load in more. */
const GUARD_ANSWER_DEADLINE_MS = 2_000;
/** Grace of the slowest engine (10 s) and the guard's own end. */
const STOP_DEADLINE_MS = 30_000;
const STOP_POLL_MS = 10;

export async function runningSessions(
  context: Context,
): Promise<{ readonly sessions: readonly RunningSession[]; readonly reaped: Reaped }> {
  const reaped = await reapDeadSessions(context.paths, context.python);
  const entries = await readLedger(context.paths);
  const sessions = await Promise.all(
    entries.map(async (entry) => ({
      entry,
      isAlive: isGuardAlive(entry),
      live: await askGuard(entry),
    })),
  );
  return { sessions: sessions.filter(({ isAlive }) => isAlive), reaped };
}

/** Sessions that were started from one of these environments of an engine. */
export async function sessionsFrom(
  environments: readonly Installation[],
  engineId: string,
  paths: Paths,
): Promise<readonly LedgerEntry[]> {
  const entries = await readLedger(paths);
  const isUser = ({ about }: LedgerEntry): boolean =>
    environments.some(
      ({ version, recipe }) => about.version === version && about.recipe === recipe,
    );
  return entries.filter(
    (entry) => entry.about.engine === engineId && isUser(entry) && isGuardAlive(entry),
  );
}

/** Ends the session whoever holds it; `false` when its guard is still there after the deadline. */
export async function stopSession(entry: LedgerEntry): Promise<boolean> {
  return (await endSession(entry, 'stop')) === 'ended';
}

/** `held`: somebody uses it, so it goes on. `stuck`: its guard is there after the deadline. */
export type SessionEnd = 'ended' | 'held' | 'stuck';

/** Ends the session unless somebody uses it, which its guard alone can say at that instant. */
export async function stopIdleSession(entry: LedgerEntry): Promise<SessionEnd> {
  return await endSession(entry, 'stop-if-idle');
}

async function endSession(
  entry: LedgerEntry,
  command: 'stop' | 'stop-if-idle',
): Promise<SessionEnd> {
  const until = performance.now() + STOP_DEADLINE_MS;
  const link = await connectGuard(entry.control);
  if (link !== null) {
    const refused = Promise.withResolvers<void>();
    let isHeld = false;
    link.listen((event) => {
      if (event.event !== 'held') return;
      isHeld = true;
      refused.resolve();
    });
    link.send({ command });
    await withDeadline(Promise.race([link.closed, refused.promise]), STOP_DEADLINE_MS);
    if (isHeld) {
      await leave(link);
      return 'held';
    }
    link.destroy();
  }
  // One that is ending already closes the link at once, and its engine holds its memory for longer.
  while (isGuardAlive(entry)) {
    if (performance.now() > until) return 'stuck';
    await sleep(STOP_POLL_MS);
  }
  return 'ended';
}

async function askGuard(entry: LedgerEntry): Promise<SessionEvent | null> {
  const link = await connectGuard(entry.control);
  if (link === null) return null;
  let answer: SessionEvent | null = null;
  await withDeadline(
    new Promise<void>((resolve) => {
      link.listen((event) => {
        if (event.event !== 'session') return;
        // We ask over a lease of our own.
        answer = { ...event, leases: event.leases - 1 };
        resolve();
      });
      void link.closed.then(resolve);
    }),
    GUARD_ANSWER_DEADLINE_MS,
  );
  // Until the guard has seen it we would count as a user to whoever asks next.
  await leave(link, answer === null ? 0 : GUARD_ANSWER_DEADLINE_MS);
  return answer;
}

/** Not a use of the engine: a keep-alive goes on as if nobody had asked. */
async function leave(
  link: GuardLink,
  deadlineMs: number = GUARD_ANSWER_DEADLINE_MS,
): Promise<void> {
  link.send({ command: 'look' });
  link.end();
  if (deadlineMs > 0) await withDeadline(link.closed, deadlineMs);
  link.destroy();
}
