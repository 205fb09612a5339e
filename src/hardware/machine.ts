/**
 * Answers: what a machine is, as a value. `detect.ts` fills it; everything to the right only reads
 * it. A value nobody could find out is `null`, and `sources` says where each known one came from.
 */

export const MACHINE_SCHEMA = 'hyperllama.machine/1';

export interface Machine {
  readonly schema: typeof MACHINE_SCHEMA;
  readonly os: OperatingSystem;
  readonly cpu: Cpu;
  readonly memory: Memory;
  /** In the order of the vendor's own tool; integrated ones after the discrete ones. */
  readonly accelerators: readonly Accelerator[];
  readonly disk: Disk;
  /** Machines that serve together; 1 unless the caller says otherwise. */
  readonly nodes: number;
  /** Path of a value (`cpu.model`, `accelerators[0].driver`) → the file or command it came from. */
  readonly sources: Readonly<Record<string, string>>;
}

export interface OperatingSystem {
  readonly platform: 'linux' | 'darwin' | 'win32' | null;
  /** `Debian GNU/Linux 12`, `macOS 15.1` */
  readonly name: string | null;
  /** Kernel release, `6.1.0-28-amd64` */
  readonly release: string | null;
  readonly libc: { readonly name: 'glibc' | 'musl'; readonly version: string | null } | null;
  readonly isWsl: boolean | null;
  readonly isContainer: boolean | null;
}

export interface Cpu {
  readonly model: string | null;
  readonly vendor: 'intel' | 'amd' | 'apple' | 'arm' | null;
  readonly architecture: 'x64' | 'arm64' | null;
  readonly coresPhysical: number | null;
  readonly coresLogical: number | null;
  /** Whole cores this process may use: affinity mask and cgroup quota, at least 1. */
  readonly coresUsable: number | null;
  /** Instruction sets that engines ask for, lower case, from `ISA_NAMES`. */
  readonly isa: readonly IsaName[];
  readonly lastLevelCacheBytes: number | null;
  readonly numaNodes: number | null;
}

export const ISA_NAMES = [
  'avx',
  'avx2',
  'fma',
  'f16c',
  'avx512f',
  'avx512bw',
  'avx512vnni',
  'avx512bf16',
  'amx-tile',
  'amx-int8',
  'amx-bf16',
  'neon',
  'dotprod',
  'fp16',
  'bf16',
  'i8mm',
  'sve',
  'sve2',
  'sme',
] as const;
export type IsaName = (typeof ISA_NAMES)[number];

export interface Memory {
  readonly bytesTotal: number | null;
  /** What a new process could take without swapping. */
  readonly bytesAvailable: number | null;
  /** The smallest cgroup limit above this process; `null` when there is none. */
  readonly bytesLimit: number | null;
  /** Measured by `info --measure`, read by all cores; `null` until then. */
  readonly bandwidthBytesPerSecond: number | null;
}

export type AcceleratorVendor = 'nvidia' | 'amd' | 'intel' | 'apple' | 'other';
export type AcceleratorClass = 'consumer' | 'workstation' | 'data-centre' | 'integrated';

export interface Accelerator {
  readonly vendor: AcceleratorVendor;
  readonly name: string;
  /** The vendor's own index, as its tools and environment variables count. */
  readonly index: number;
  readonly class: AcceleratorClass | null;
  readonly memoryBytesTotal: number | null;
  readonly memoryBytesFree: number | null;
  /** `unified`: shared with the CPU; `memoryBytesTotal` is then the machine's memory. */
  readonly memoryKind: 'dedicated' | 'unified' | null;
  /** Spec-sheet memory bandwidth from `gpu-table.ts`. */
  readonly bandwidthBytesPerSecond: number | null;
  readonly driver: string | null;
  /** NVIDIA: `9.0`. */
  readonly computeCapability: string | null;
  /** AMD: `gfx942`. */
  readonly gfx: string | null;
  /** Apple: 1 for M1 … */
  readonly appleGeneration: number | null;
  /** Linked to the other cards by NVLink or xGMI. */
  readonly hasPeerLink: boolean | null;
  readonly migMode: 'enabled' | 'disabled' | null;
  /** `0000:65:00.0` */
  readonly pciAddress: string | null;
  /** The file or command that reported it. */
  readonly source: string;
}

export interface Disk {
  /** The folder that was asked about: where engines and models are kept. */
  readonly path: string | null;
  readonly bytesTotal: number | null;
  readonly bytesFree: number | null;
}

/** Bytes a new process may use: what is available, cut by the cgroup limit. `null` = unknown. */
export function memoryBytesUsable(machine: Machine): number | null {
  const { bytesAvailable, bytesLimit, bytesTotal } = machine.memory;
  const known = [bytesAvailable ?? bytesTotal, bytesLimit].filter((bytes) => bytes !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/**
 * Bytes this machine could give at most, whatever is free just now. Fit is judged by what is usable;
 * this is for limits that are a share of all memory. `null` = unknown.
 */
export function memoryBytesCapacity(machine: Machine): number | null {
  const known = [machine.memory.bytesTotal, machine.memory.bytesLimit].filter(
    (bytes) => bytes !== null,
  );
  return known.length === 0 ? null : Math.min(...known);
}
