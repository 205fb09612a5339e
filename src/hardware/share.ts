/** Answers: what one of several equal engines beside each other may take of a machine. */
import type { Machine } from './machine.ts';

/** The machine as the engine sees it that shares it with `count - 1` others. */
export function shareOf(machine: Machine, count: number): Machine {
  const part = (bytes: number | null): number | null =>
    bytes === null ? null : Math.floor(bytes / count);
  const cores = (whole: number | null): number | null =>
    whole === null ? null : Math.max(1, Math.floor(whole / count));
  const { cpu, memory } = machine;
  return {
    ...machine,
    cpu: {
      ...cpu,
      coresPhysical: cores(cpu.coresPhysical),
      coresLogical: cores(cpu.coresLogical),
      coresUsable: cores(cpu.coresUsable),
    },
    memory: {
      ...memory,
      bytesTotal: part(memory.bytesTotal),
      bytesAvailable: part(memory.bytesAvailable),
      bytesLimit: part(memory.bytesLimit),
    },
    accelerators: machine.accelerators.map((card) => ({
      ...card,
      memoryBytesTotal: part(card.memoryBytesTotal),
      memoryBytesFree: part(card.memoryBytesFree),
    })),
  };
}
