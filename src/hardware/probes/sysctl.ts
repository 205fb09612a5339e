/** Answers: what `sysctl` says on macOS about processor, memory and GPU. Pure; see sysctl(8). */
import { GIB, MIB } from '../../base/units.ts';
import { appleChip } from '../gpu-table.ts';
import type { Accelerator, Cpu, IsaName, Memory } from '../machine.ts';
import { unknownAccelerator } from './found.ts';

/** Names asked for; a machine that lacks one says so on stderr and answers the others. */
export const SYSCTL_NAMES = [
  'machdep.cpu.brand_string',
  'machdep.cpu.vendor',
  'machdep.cpu.features',
  'machdep.cpu.leaf7_features',
  'hw.memsize',
  'hw.physicalcpu',
  'hw.logicalcpu',
  'hw.l3cachesize',
  'hw.perflevel0.physicalcpu',
  'hw.perflevel0.l2cachesize',
  'hw.perflevel0.cpusperl2',
  'hw.optional.arm64',
  'hw.optional.AdvSIMD',
  'hw.optional.arm.FEAT_DotProd',
  'hw.optional.arm.FEAT_FP16',
  'hw.optional.arm.FEAT_BF16',
  'hw.optional.arm.FEAT_I8MM',
  'hw.optional.arm.FEAT_SME',
  'kern.osproductversion',
  'kern.osrelease',
  'kern.memorystatus_level',
  'iogpu.wired_limit_mb',
] as const;

export type SysctlName = (typeof SYSCTL_NAMES)[number];
export type SysctlValues = ReadonlyMap<string, string>;

/** Lines `name: value`. */
export function parseSysctl(text: string): SysctlValues {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) values.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return values;
}

export function sysctlCpu(values: SysctlValues): Cpu {
  const model = text(values, 'machdep.cpu.brand_string');
  const isArm = text(values, 'hw.optional.arm64') === '1';
  const coresLogical = count(values, 'hw.logicalcpu');
  return {
    model,
    vendor: cpuVendor(model, text(values, 'machdep.cpu.vendor')),
    architecture: isArm ? 'arm64' : model === null ? null : 'x64',
    coresPhysical: count(values, 'hw.physicalcpu'),
    coresLogical,
    // macOS has neither affinity masks nor quotas.
    coresUsable: coresLogical,
    isa: isArm ? armIsa(values) : x86Isa(values),
    lastLevelCacheBytes: lastLevelCacheBytes(values),
    numaNodes: null,
  };
}

/**
 * `kern.memorystatus_level` is the share, in percent, that the kernel could hand out: what
 * `memory_pressure` prints. The count of free pages is near zero on every Mac in use.
 */
export function sysctlMemory(values: SysctlValues): Memory {
  const bytesTotal = count(values, 'hw.memsize');
  const percent = count(values, 'kern.memorystatus_level');
  const isKnown = bytesTotal !== null && percent !== null && percent <= 100;
  return {
    bytesTotal,
    bytesAvailable: isKnown ? Math.round((bytesTotal * percent) / 100) : null,
    bytesLimit: null,
    bandwidthBytesPerSecond: null,
  };
}

/** The GPU of an Apple chip; `null` on a Mac with an Intel processor. */
export function sysctlAccelerator(values: SysctlValues): Accelerator | null {
  const name = text(values, 'machdep.cpu.brand_string');
  const memory = sysctlMemory(values);
  const { bytesTotal, bytesAvailable } = memory;
  const chip = appleChip(name ?? '', bytesTotal === null ? null : bytesTotal / GIB);
  if (name === null || chip === null) return null;
  const limitMib = count(values, 'iogpu.wired_limit_mb') ?? 0;
  // 0 means the system's own rule, which Apple does not publish; a number is the user's limit.
  const limit = limitMib === 0 ? Number.POSITIVE_INFINITY : limitMib * MIB;
  return {
    ...unknownAccelerator('apple', name, 'sysctl'),
    class: 'integrated',
    memoryKind: 'unified',
    memoryBytesTotal: bytesTotal === null ? null : Math.min(bytesTotal, limit),
    memoryBytesFree: bytesAvailable === null ? null : Math.min(bytesAvailable, limit),
    bandwidthBytesPerSecond: chip.bandwidthGbps === null ? null : chip.bandwidthGbps * 1e9,
    appleGeneration: chip.generation,
    hasPeerLink: false,
  };
}

function cpuVendor(model: string | null, vendor: string | null): Cpu['vendor'] {
  if (model?.startsWith('Apple') === true) return 'apple';
  if (vendor === 'GenuineIntel') return 'intel';
  return vendor === 'AuthenticAMD' ? 'amd' : null;
}

/** The system-level cache of Apple's chips is not reported; the clusters' second level is. */
function lastLevelCacheBytes(values: SysctlValues): number | null {
  const l3 = count(values, 'hw.l3cachesize');
  if (l3 !== null && l3 > 0) return l3;
  const l2 = count(values, 'hw.perflevel0.l2cachesize');
  const cores = count(values, 'hw.perflevel0.physicalcpu');
  const coresPerCache = count(values, 'hw.perflevel0.cpusperl2');
  if (l2 === null || cores === null || coresPerCache === null || coresPerCache === 0) return l2;
  return l2 * Math.ceil(cores / coresPerCache);
}

const ARM_ISA: readonly (readonly [SysctlName, IsaName])[] = [
  ['hw.optional.AdvSIMD', 'neon'],
  ['hw.optional.arm.FEAT_DotProd', 'dotprod'],
  ['hw.optional.arm.FEAT_FP16', 'fp16'],
  ['hw.optional.arm.FEAT_BF16', 'bf16'],
  ['hw.optional.arm.FEAT_I8MM', 'i8mm'],
  ['hw.optional.arm.FEAT_SME', 'sme'],
];

function armIsa(values: SysctlValues): readonly IsaName[] {
  return ARM_ISA.flatMap(([name, isa]) => (text(values, name) === '1' ? [isa] : []));
}

const X86_ISA: readonly (readonly [string, IsaName])[] = [
  ['AVX1.0', 'avx'],
  ['AVX2', 'avx2'],
  ['FMA', 'fma'],
  ['F16C', 'f16c'],
  ['AVX512F', 'avx512f'],
  ['AVX512BW', 'avx512bw'],
  ['AVX512VNNI', 'avx512vnni'],
];

function x86Isa(values: SysctlValues): readonly IsaName[] {
  const names = ['machdep.cpu.features', 'machdep.cpu.leaf7_features'] as const;
  const words = new Set(names.flatMap((name) => (text(values, name) ?? '').split(/\s+/)));
  return X86_ISA.flatMap(([word, isa]) => (words.has(word) ? [isa] : []));
}

function text(values: SysctlValues, name: SysctlName): string | null {
  const value = values.get(name);
  return value === undefined || value === '' ? null : value;
}

function count(values: SysctlValues, name: SysctlName): number | null {
  const value = text(values, name);
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}
