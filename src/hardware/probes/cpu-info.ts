/** Answers: what `/proc/cpuinfo` says, on x86-64 and on 64-bit Arm. Pure. */
import type { Cpu, IsaName } from '../machine.ts';
import { parseNumber } from './files.ts';

export interface CpuInfo {
  /** `null` on Arm: the kernel prints numbers there, which `arm-parts.ts` turns into names. */
  readonly model: string | null;
  readonly arm: ArmIdentity | null;
  readonly vendor: Cpu['vendor'];
  readonly architecture: Cpu['architecture'];
  readonly isa: readonly IsaName[];
  readonly coresLogical: number | null;
  /** `null` where the file does not number the cores (Arm, some virtual machines). */
  readonly coresPhysical: number | null;
}

export interface ArmIdentity {
  /** Implementer and part of each kind of core; big and little ones differ. */
  readonly parts: readonly { readonly implementer: number; readonly part: number }[];
  /** `Raspberry Pi 5 Model B Rev 1.0`; most kernels leave it out. */
  readonly board: string | null;
}

/** The kernel's names: arch/x86/include/asm/cpufeatures.h and arch/arm64/kernel/cpuinfo.c. */
const ISA_BY_FLAG: Readonly<Record<'x64' | 'arm64', ReadonlyMap<string, IsaName>>> = {
  x64: new Map<string, IsaName>([
    ['avx', 'avx'],
    ['avx2', 'avx2'],
    ['fma', 'fma'],
    ['f16c', 'f16c'],
    ['avx512f', 'avx512f'],
    ['avx512bw', 'avx512bw'],
    ['avx512_vnni', 'avx512vnni'],
    ['avx512_bf16', 'avx512bf16'],
    ['amx_tile', 'amx-tile'],
    ['amx_int8', 'amx-int8'],
    ['amx_bf16', 'amx-bf16'],
  ]),
  arm64: new Map<string, IsaName>([
    ['asimd', 'neon'],
    ['asimddp', 'dotprod'],
    ['asimdhp', 'fp16'],
    ['bf16', 'bf16'],
    ['i8mm', 'i8mm'],
    ['sve', 'sve'],
    ['sve2', 'sve2'],
    ['sme', 'sme'],
  ]),
};

/** Arm's implementer numbers (Arm Architecture Reference Manual, MIDR_EL1) that matter here. */
const IMPLEMENTER_APPLE = 0x61;

export function parseCpuInfo(text: string): CpuInfo {
  const blocks = text
    .split(/\n\s*\n/)
    .map(parseBlock)
    .filter((block) => block.size > 0);
  const processors = blocks.filter((block) => block.has('processor'));
  const first = processors[0] ?? new Map<string, string>();
  const isArm = first.has('Features');
  const architecture = architectureOf(first);
  return {
    model: known(first.get('model name')),
    arm: isArm ? armIdentity(blocks) : null,
    vendor: isArm ? armVendor(first) : x86Vendor(first.get('vendor_id')),
    architecture,
    isa: architecture === null ? [] : isaNames(first, architecture),
    coresLogical: processors.length === 0 ? null : processors.length,
    coresPhysical: countCores(processors),
  };
}

/** `lm` is x86's long mode, `asimd` what 32-bit Arm calls `neon`: without them it is 32-bit. */
function architectureOf(block: ReadonlyMap<string, string>): Cpu['architecture'] {
  if (/\blm\b/.test(block.get('flags') ?? '')) return 'x64';
  return /\basimd\b/.test(block.get('Features') ?? '') ? 'arm64' : null;
}

function parseBlock(block: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return fields;
}

function isaNames(
  block: ReadonlyMap<string, string>,
  architecture: 'x64' | 'arm64',
): readonly IsaName[] {
  const words = new Set((block.get('flags') ?? block.get('Features') ?? '').split(/\s+/));
  return [...ISA_BY_FLAG[architecture]].flatMap(([flag, name]) => (words.has(flag) ? [name] : []));
}

function x86Vendor(id: string | undefined): Cpu['vendor'] {
  if (id === 'GenuineIntel') return 'intel';
  return id === 'AuthenticAMD' || id === 'HygonGenuine' ? 'amd' : null;
}

function armVendor(block: ReadonlyMap<string, string>): Cpu['vendor'] {
  const implementer = parseNumber(block.get('CPU implementer') ?? null);
  if (implementer === null) return null;
  return implementer === IMPLEMENTER_APPLE ? 'apple' : 'arm';
}

function armIdentity(blocks: readonly ReadonlyMap<string, string>[]): ArmIdentity {
  const kinds = new Map<string, { readonly implementer: number; readonly part: number }>();
  for (const block of blocks) {
    const implementer = parseNumber(block.get('CPU implementer') ?? null);
    const part = parseNumber(block.get('CPU part') ?? null);
    if (implementer !== null && part !== null) {
      kinds.set(`${implementer} ${part}`, { implementer, part });
    }
  }
  const parts = [...kinds.values()];
  return { parts, board: known(blocks.at(-1)?.get('Model')) };
}

function countCores(processors: readonly ReadonlyMap<string, string>[]): number | null {
  const cores = new Set<string>();
  for (const block of processors) {
    const core = block.get('core id');
    if (core === undefined) return null;
    cores.add(`${block.get('physical id') ?? '0'}/${core}`);
  }
  return cores.size === 0 ? null : cores.size;
}

function known(text: string | undefined): string | null {
  return text === undefined || text === '' || text === 'unknown' ? null : text;
}
