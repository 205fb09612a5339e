/** Answers: which processor a Linux machine has, and how much of it this process may use. */
import type { Cpu } from '../machine.ts';
import type { CgroupLimits } from './cgroup.ts';
import { parseCpuInfo, type CpuInfo } from './cpu-info.ts';
import { parseNumberList, type MachineFiles, sourcesOf, type Sourced } from './files.ts';

const CPU_FOLDER = '/sys/devices/system/cpu';
const NODE_FOLDER = '/sys/devices/system/node';

/**
 * The first processors say what the rest repeats, and the file of a 256-thread machine has half a
 * megabyte and takes the kernel tens of milliseconds.
 */
const CPU_INFO_BYTES_START = 16 * 1024;

/** Deepest cache index looked at; the kernel numbers L1d, L1i, L2, L3 and rarely one more. */
const CACHE_INDEX_MAX = 5;

export async function probeCpu(files: MachineFiles, limits: CgroupLimits): Promise<Sourced<Cpu>> {
  const quotaCores = limits.cores;
  const info = parseCpuInfo(wholeBlocks(files.readStart('/proc/cpuinfo', CPU_INFO_BYTES_START)));
  const model =
    info.arm === null
      ? info.model
      : // Loaded only on Arm: x86 kernels print the name.
        (await import('./arm-parts.ts')).armModelName(info.arm);
  const online = parseNumberList(files.read(`${CPU_FOLDER}/online`));
  const topology = countGroups(online, (cpu) => readSiblings(files, cpu));
  const counts: CpuInfo =
    online.length > 0 && topology !== null ? info : parseCpuInfo(files.read('/proc/cpuinfo') ?? '');
  const coresLogical = online.length > 0 ? online.length : counts.coresLogical;
  const coresPhysical = topology ?? counts.coresPhysical;
  const affinity = parseAffinity(files.read('/proc/self/status') ?? '');
  const coresUsable = usableCores(affinity ?? coresLogical, quotaCores);
  const caches = readLastLevelCacheBytes(files, online);
  const numaNodes = parseNumberList(files.read(`${NODE_FOLDER}/has_cpu`)).length || null;
  return {
    value: {
      model,
      vendor: info.vendor,
      architecture: info.architecture,
      coresPhysical,
      coresLogical,
      coresUsable,
      isa: info.isa,
      lastLevelCacheBytes: caches,
      numaNodes,
    },
    sources: {
      ...sourcesOf(
        'cpu',
        { model, vendor: info.vendor, architecture: info.architecture, isa: info.isa },
        '/proc/cpuinfo',
      ),
      ...sourcesOf(
        'cpu',
        { coresLogical },
        online.length > 0 ? `${CPU_FOLDER}/online` : '/proc/cpuinfo',
      ),
      ...sourcesOf(
        'cpu',
        { coresPhysical },
        topology === null ? '/proc/cpuinfo' : `${CPU_FOLDER}/cpu*/topology`,
      ),
      ...sourcesOf(
        'cpu',
        { coresUsable },
        quotaCores === null ? '/proc/self/status' : '/proc/self/status and the cgroup quota',
      ),
      ...sourcesOf('cpu', { lastLevelCacheBytes: caches }, `${CPU_FOLDER}/cpu*/cache`),
      ...sourcesOf('cpu', { numaNodes }, `${NODE_FOLDER}/has_cpu`),
    },
  };
}

/**
 * CPUs the scheduler may put this process on. The kernel has already cut the mask by the cpuset,
 * so cpuset files need no reading.
 */
export function parseAffinity(status: string): number | null {
  const line = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status);
  const count = parseNumberList(line?.[1] ?? null).length;
  return count === 0 ? null : count;
}

/** `128K`, `32768K`, `1M` in bytes. */
export function parseCacheSize(text: string | null): number | null {
  const match = /^(\d{1,12})([KMG]?)$/.exec(text?.trim() ?? '');
  if (match === null) return null;
  const unit = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[match[2] ?? ''] ?? 1;
  return Number(match[1]) * unit;
}

function usableCores(allowed: number | null, quotaCores: number | null): number | null {
  if (allowed === null && quotaCores === null) return null;
  const least = Math.min(
    allowed ?? Number.POSITIVE_INFINITY,
    quotaCores ?? Number.POSITIVE_INFINITY,
  );
  return Math.max(1, Math.floor(least));
}

function readSiblings(files: MachineFiles, cpu: number): readonly number[] {
  const folder = `${CPU_FOLDER}/cpu${cpu}/topology`;
  // `core_cpus_list` is the name since Linux 5.4; older kernels have only the second.
  const list =
    files.read(`${folder}/core_cpus_list`) ?? files.read(`${folder}/thread_siblings_list`);
  return parseNumberList(list);
}

/** Reads one member of each group only: 96 files for 96 cores of two threads, not 192. */
function countGroups(
  cpus: readonly number[],
  membersOf: (cpu: number) => readonly number[],
): number | null {
  const seen = new Set<number>();
  let groups = 0;
  for (const cpu of cpus) {
    if (seen.has(cpu)) continue;
    const members = membersOf(cpu);
    if (members.length === 0) return null;
    for (const member of members) seen.add(member);
    groups += 1;
  }
  return groups === 0 ? null : groups;
}

/** All caches of the highest level together: a chiplet processor has one for each chiplet. */
function readLastLevelCacheBytes(files: MachineFiles, cpus: readonly number[]): number | null {
  const first = cpus[0];
  if (first === undefined) return null;
  let index = -1;
  let level = 0;
  for (let candidate = 0; candidate <= CACHE_INDEX_MAX; candidate += 1) {
    const folder = `${CPU_FOLDER}/cpu${first}/cache/index${candidate}`;
    const text = files.read(`${folder}/level`);
    if (text === null) break;
    if (Number(text) > level) {
      level = Number(text);
      index = candidate;
    }
  }
  if (index < 0) return null;
  let bytes = 0;
  const count = countGroups(cpus, (cpu) => {
    const folder = `${CPU_FOLDER}/cpu${cpu}/cache/index${index}`;
    bytes += parseCacheSize(files.read(`${folder}/size`)) ?? Number.NaN;
    return parseNumberList(files.read(`${folder}/shared_cpu_list`));
  });
  return count === null || Number.isNaN(bytes) || bytes === 0 ? null : bytes;
}

/** Cuts off the block that the end of the read went through. */
function wholeBlocks(text: string | null): string {
  if (text === null) return '';
  if (text.length < CPU_INFO_BYTES_START) return text;
  const end = text.lastIndexOf('\n\n');
  return end < 0 ? text : text.slice(0, end);
}
