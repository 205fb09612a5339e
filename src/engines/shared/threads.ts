/** Answers: how many threads compute on the CPU. */
import type { Machine } from '../../hardware/machine.ts';

/**
 * Physical cores this process may use: a second thread a core slows decoding down. `null` when the
 * machine does not say.
 */
export function computeThreads({ cpu }: Machine): number | null {
  const known = [cpu.coresPhysical, cpu.coresUsable].filter((cores) => cores !== null);
  return known.length === 0 ? null : Math.max(1, Math.min(...known));
}
