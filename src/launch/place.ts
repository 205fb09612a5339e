/**
 * Answers: what to do when a model does not fit beside the sessions that are kept warm: which of
 * them would have to go, and, with consent, ends those.
 */
import type { Context } from '../base/context.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { runningSessions, stopSession } from './fleet.ts';
import type { LedgerEntry } from './ledger.ts';

/** Decides as if these sessions held nothing. @throws HL_NO_ENGINE_FITS */
type Attempt<T> = (without: readonly LedgerEntry[]) => Promise<T>;

/**
 * What `attempt` decides once sessions have ended that nobody uses: the largest first, and no more
 * of them than needed.
 * @throws `problem`, unless it is a lack of memory that their end would mend; HL_PLACE_NEEDED when
 * they may not be ended
 */
export async function inPlaceOf<T>(
  problem: unknown,
  attempt: Attempt<T>,
  context: Context,
): Promise<T> {
  if (!isTooLarge(problem)) throw problem;
  const doomed = await sessionsInTheWay(attempt, context);
  if (doomed === null) throw problem;
  const held = doomed.map(({ key, about }) => {
    return `${about.model} on ${about.engineName} (${key}, ${formatBytes(about.memoryBytes)})`;
  });
  const keys = doomed.map(({ key }) => key);
  const refused = new HyperLlamaError('HL_PLACE_NEEDED', { held, keys });
  if (!(await context.consent(`${refused.message}. End it?`))) throw refused;
  for (const entry of doomed) {
    const begunAtMs = performance.now();
    if (await stopSession(entry)) continue;
    return fail('HL_ENGINE_UNRESPONSIVE', {
      engine: entry.about.engineName,
      what: `session ${entry.key} did not end`,
      durationMs: performance.now() - begunAtMs,
    });
  }
  return await attempt([]);
}

/** The fewest kept sessions without which it fits; `null` when none of them makes a difference. */
async function sessionsInTheWay<T>(
  attempt: Attempt<T>,
  context: Context,
): Promise<readonly LedgerEntry[] | null> {
  const { sessions } = await runningSessions(context);
  const idle = sessions
    .filter(({ live }) => live?.state === 'ready' && live.leases === 0)
    .map(({ entry }) => entry)
    .toSorted((a, b) => b.about.memoryBytes - a.about.memoryBytes);
  for (let count = 1; count <= idle.length; count += 1) {
    const chosen = idle.slice(0, count);
    const fits = await attempt(chosen).then(
      () => true,
      (error: unknown) => {
        if (isTooLarge(error)) return false;
        throw error;
      },
    );
    if (fits) return chosen;
  }
  return null;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof HyperLlamaError && error.code === 'HL_NO_ENGINE_FITS';
}
