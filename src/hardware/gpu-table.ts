/**
 * Answers: what is known of a GPU from public specification sheets: class, memory, bandwidth,
 * target. A card that is not in the tables is `null`; nothing is inferred from a similar name.
 */
import { GIB } from '../base/units.ts';
import { NVIDIA_GPUS } from './gpu-nvidia.ts';
import { AMD_GPUS, INTEL_GPUS } from './gpu-others.ts';
import type { GpuRow } from './gpu-row.ts';
import type { AcceleratorClass } from './machine.ts';

export { appleChip, type AppleChip } from './gpu-apple.ts';

export interface GpuSpec {
  readonly name: string;
  readonly class: AcceleratorClass;
  /** Nominal; `null` = shared with the CPU, or sold in several sizes. */
  readonly memoryBytes: number | null;
  readonly bandwidthBytesPerSecond: number | null;
  /** NVIDIA: `9.0`. */
  readonly computeCapability: string | null;
  /** AMD: `gfx942`. */
  readonly gfx: string | null;
}

type TableVendor = 'nvidia' | 'amd' | 'intel';

const TABLES: Readonly<Record<TableVendor, readonly GpuRow[]>> = {
  nvidia: NVIDIA_GPUS,
  amd: AMD_GPUS,
  intel: INTEL_GPUS,
};

/** Words that tools put before the name or leave out, according to their age. */
const NAME_NOISE = /\b(?:nvidia|geforce|tesla|amd|intel|corporation)\b|\((?:r|tm)\)/gi;

/** By the name the vendor's tool prints; `memoryBytes` tells apart cards that share it. */
export function findGpuByName(
  vendor: TableVendor,
  name: string,
  memoryBytes: number | null,
): GpuSpec | null {
  const wanted = bareName(name);
  const rows = TABLES[vendor].filter((row) => bareName(row.name) === wanted);
  return specOf(vendor, rows, memoryBytes);
}

export interface PciIdentity {
  readonly device: number;
  readonly revision: number | null;
  readonly memoryBytes: number | null;
}

/** By PCI numbers; where one number stands for several cards and nothing decides, `null`. */
export function findGpuByPci(vendor: TableVendor, identity: PciIdentity): GpuSpec | null {
  const rows = TABLES[vendor].filter((row) => row.devices.includes(identity.device));
  const exact = rows.filter(
    (row) => identity.revision !== null && row.revisions?.includes(identity.revision) === true,
  );
  return specOf(vendor, exact.length > 0 ? exact : rows, identity.memoryBytes);
}

export function bareName(name: string): string {
  return name.replaceAll(NAME_NOISE, ' ').replaceAll(/\s+/g, ' ').trim().toLowerCase();
}

/** A card reports a little less than its nominal memory: 81559 MiB of 80 GiB, 24564 MiB of 24. */
const MEMORY_SLACK = 0.06;

function specOf(
  vendor: TableVendor,
  rows: readonly GpuRow[],
  memoryBytes: number | null,
): GpuSpec | null {
  const fitting = rows.filter((row) => hasMemory(row, memoryBytes));
  const candidates = rows.length > 1 && fitting.length > 0 ? fitting : rows;
  const [row] = candidates;
  if (row === undefined) return null;
  // Several cards left: only what they agree on is known.
  const agreed = <T>(read: (row: GpuRow) => T | null): T | null => {
    const value = read(row);
    return candidates.every((other) => read(other) === value) ? value : null;
  };
  const cardClass = agreed(({ class: value }) => value);
  if (cardClass === null) return null;
  const gib = agreed(({ memoryGib }) => memoryGib);
  const bandwidthGbps = agreed(({ bandwidthGbps: value }) => value);
  const target = agreed(({ target: value }) => value);
  return {
    name: [...new Set(candidates.map(({ name }) => name))].join(' / '),
    class: cardClass,
    memoryBytes: gib === null ? null : gib * GIB,
    bandwidthBytesPerSecond: bandwidthGbps === null ? null : Math.round(bandwidthGbps * 1e9),
    computeCapability: vendor === 'nvidia' ? target : null,
    gfx: vendor === 'amd' ? target : null,
  };
}

function hasMemory(row: GpuRow, memoryBytes: number | null): boolean {
  if (memoryBytes === null || row.memoryGib === null) return false;
  return Math.abs(memoryBytes / GIB / row.memoryGib - 1) <= MEMORY_SLACK;
}
