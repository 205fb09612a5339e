/**
 * Answers: how long the same plan took to start the last time, for somebody who waits for minutes.
 */
import { join } from 'node:path';
import type { Paths } from '../base/paths.ts';
import { readState, writeCache } from '../base/state.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import { sessionKey } from './ledger.ts';

/** Nobody asks how long a shorter start will take, and writing it down would be a part of it. */
const START_MS_MIN = 10_000;

/** `null` when it was never started here, or so fast that nobody wrote it down. */
export async function lastStartMs(paths: Paths, plan: LaunchPlan): Promise<number | null> {
  const found = await readState(fileOf(paths, plan));
  return typeof found === 'number' && found > 0 ? found : null;
}

export async function rememberStart(
  paths: Paths,
  plan: LaunchPlan,
  startMs: number,
): Promise<void> {
  if (startMs >= START_MS_MIN) await writeCache(fileOf(paths, plan), startMs);
}

function fileOf(paths: Paths, plan: LaunchPlan): string {
  return join(paths.cache, 'starts', `${sessionKey(plan)}.json`);
}
