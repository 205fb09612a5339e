/** Answers: how much memory a Linux machine has, has left, and may give to this process. */
import type { Memory } from '../machine.ts';
import type { CgroupLimits } from './cgroup.ts';
import { type MachineFiles, sourcesOf, type Sourced } from './files.ts';

const MEMINFO = '/proc/meminfo';

export function probeMemory(files: MachineFiles, limits: CgroupLimits): Sourced<Memory> {
  const { bytesTotal, bytesAvailable: bytesAnyone } = parseMemInfo(files.read(MEMINFO) ?? '');
  const left = [bytesAnyone, limits.memoryBytesLeft].filter((bytes) => bytes !== null);
  const bytesAvailable = left.length === 0 ? null : Math.min(...left);
  const isCut = bytesAvailable !== null && bytesAvailable !== bytesAnyone;
  const bytesLimit = limits.memoryBytesLimit;
  return {
    value: { bytesTotal, bytesAvailable, bytesLimit, bandwidthBytesPerSecond: null },
    sources: {
      ...sourcesOf('memory', { bytesTotal }, MEMINFO),
      ...sourcesOf(
        'memory',
        { bytesAvailable },
        isCut ? (limits.memorySource ?? MEMINFO) : MEMINFO,
      ),
      ...sourcesOf('memory', { bytesLimit }, limits.memorySource ?? ''),
    },
  };
}

/** `/proc/meminfo` counts in KiB, though it writes `kB`. */
export function parseMemInfo(text: string): Pick<Memory, 'bytesTotal' | 'bytesAvailable'> {
  const field = (name: string): number | null => {
    const match = new RegExp(`^${name}:\\s+(\\d{1,15}) kB$`, 'm').exec(text);
    return match === null ? null : Number(match[1]) * 1024;
  };
  return { bytesTotal: field('MemTotal'), bytesAvailable: field('MemAvailable') };
}
