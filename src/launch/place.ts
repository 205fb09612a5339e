/**
 * Answers: what to do when a model does not fit beside the sessions that are kept warm: which of
 * them would have to go, and, with consent, ends those.
 */
import type { Context } from '../base/context.ts';
import type { ErrorParams } from '../base/error-table.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { TOO_LARGE_CODE } from '../engines/shared/fit.ts';
import { runningSessions, stopIdleSession } from './fleet.ts';
import { modelServed, type LedgerEntry } from './ledger.ts';

/** Decides as if these sessions held nothing. @throws HL_NO_ENGINE_FITS */
type Attempt<T> = (without: readonly LedgerEntry[]) => Promise<T>;

/**
 * What `attempt` decides once sessions have ended that nobody uses: the largest first, and none
 * without which it would not fit as well.
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
    return `${modelServed(about)} on ${about.engineName} (${key}, ${formatBytes(about.memoryBytes)})`;
  });
  const keys = doomed.map(({ key }) => key);
  const refused = new HyperLlamaError('HL_PLACE_NEEDED', { held, keys });
  if (!(await context.consent(`${refused.message}. End it?`))) throw refused;
  for (const entry of doomed) {
    const begunAtMs = performance.now();
    const end = await stopIdleSession(entry);
    if (end === 'ended') continue;
    // Somebody came while the question stood: then the answer was to another question.
    if (end === 'held') {
      return await attempt([]).catch(
        async (now: unknown) => await inPlaceOf(now, attempt, context),
      );
    }
    return fail('HL_ENGINE_UNRESPONSIVE', {
      engine: entry.about.engineName,
      what: `session ${entry.key} did not end`,
      durationMs: performance.now() - begunAtMs,
    });
  }
  return await attempt([]);
}

/** Kept sessions without which it fits, none of them needless; `null` when none makes a difference. */
async function sessionsInTheWay<T>(
  attempt: Attempt<T>,
  context: Context,
): Promise<readonly LedgerEntry[] | null> {
  const fitsWithout = async (gone: readonly LedgerEntry[]): Promise<boolean> =>
    await attempt(gone).then(
      () => true,
      (error: unknown) => {
        if (isRefusal(error)) return false;
        throw error;
      },
    );
  const { sessions } = await runningSessions(context);
  const idle = sessions
    .filter(({ live }) => live?.state === 'ready' && live.leases === 0)
    .map(({ entry }) => entry)
    .toSorted((a, b) => b.about.memoryBytes - a.about.memoryBytes);
  for (let count = 1; count <= idle.length; count += 1) {
    let chosen: readonly LedgerEntry[] = idle.slice(0, count);
    if (!(await fitsWithout(chosen))) continue;
    // One on another device may have been counted on the way here and change nothing.
    for (const entry of chosen) {
      const others = chosen.filter((one) => one !== entry);
      if (others.length > 0 && (await fitsWithout(others))) chosen = others;
    }
    return chosen;
  }
  return null;
}

function isRefusal(error: unknown): error is HyperLlamaError {
  return error instanceof HyperLlamaError && error.code === 'HL_NO_ENGINE_FITS';
}

/** A wrong format stays wrong in an empty memory. */
function isTooLarge(error: unknown): boolean {
  if (!isRefusal(error)) return false;
  // The details of this code, as `error-table.ts` declares them.
  const { refusals } = error.details as unknown as ErrorParams['HL_NO_ENGINE_FITS'];
  return refusals.some(({ reasons }) => reasons.some(({ code }) => code === TOO_LARGE_CODE));
}
