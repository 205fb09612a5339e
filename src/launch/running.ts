/**
 * Answers: which sessions of a model run already, and how the machine would look without them: what
 * they hold is not missing to the one who joins them.
 */
import type { Paths } from '../base/paths.ts';
import type { Machine } from '../hardware/machine.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import { isGuardAlive, readLedger, sessionKey, type LedgerEntry } from './ledger.ts';

/** Live sessions that serve the model of this reference. */
export async function sessionsOf(ref: string, paths: Paths): Promise<readonly LedgerEntry[]> {
  const entries = await readLedger(paths);
  return entries.filter(
    (entry) => entry.about.model === ref && entry.state !== 'stopping' && isGuardAlive(entry),
  );
}

/** The machine as if these sessions held no memory. */
export function machineWithout(sessions: readonly LedgerEntry[], machine: Machine): Machine {
  const onCpu = sessions.filter(({ about }) => (about.accelerators ?? []).length === 0);
  const { bytesAvailable, bytesTotal } = machine.memory;
  return {
    ...machine,
    memory: { ...machine.memory, bytesAvailable: freed(bytesAvailable, bytesTotal, sum(onCpu)) },
    accelerators: machine.accelerators.map((card) => {
      const shares = sessions.map(({ about }) => {
        const cards = about.accelerators ?? [];
        return cards.includes(card.index) ? about.memoryBytes / cards.length : 0;
      });
      const bytes = shares.reduce((total, share) => total + share, 0);
      const { memoryBytesFree, memoryBytesTotal } = card;
      return { ...card, memoryBytesFree: freed(memoryBytesFree, memoryBytesTotal, bytes) };
    }),
  };
}

/** Whether one of the sessions is that of this plan. */
export function isRunning(plan: LaunchPlan, sessions: readonly LedgerEntry[]): boolean {
  return sessions.some(({ key }) => key === sessionKey(plan));
}

function freed(free: number | null, total: number | null, bytes: number): number | null {
  return free === null ? null : Math.min(free + bytes, total ?? Number.POSITIVE_INFINITY);
}

function sum(sessions: readonly LedgerEntry[]): number {
  return sessions.reduce((total, { about }) => total + about.memoryBytes, 0);
}
