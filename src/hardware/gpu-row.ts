/** Answers: what a row of the GPU tables holds. `gpu-table.ts` searches them. */
import type { AcceleratorClass } from './machine.ts';

export interface GpuRow {
  /** As the vendor's own tool prints it, less the words in `NAME_NOISE`. */
  readonly name: string;
  /** PCI device numbers; empty where the name alone identifies it. */
  readonly devices: readonly number[];
  /** PCI revisions, where one device number stands for several cards. */
  readonly revisions?: readonly number[];
  readonly class: AcceleratorClass;
  /** Nominal size in GiB, one row for each size sold; `null`: shared with the CPU. */
  readonly memoryGib: number | null;
  /** Gigabytes (10⁹ bytes) a second, of one card. */
  readonly bandwidthGbps: number | null;
  /** NVIDIA compute capability, AMD gfx target; `null` for the others. */
  readonly target: string | null;
}

/** `[name, PCI devices, class, GiB, GB/s, target, revisions]`, to keep a table readable. */
export type GpuRowTuple = readonly [
  name: string,
  devices: readonly number[],
  cardClass: AcceleratorClass,
  memoryGib: number | null,
  bandwidthGbps: number | null,
  target: string | null,
  revisions?: readonly number[],
];

export function gpuRows(rows: readonly GpuRowTuple[]): readonly GpuRow[] {
  return rows.map(([name, devices, cardClass, memoryGib, bandwidthGbps, target, revisions]) => ({
    name,
    devices,
    class: cardClass,
    memoryGib,
    bandwidthGbps,
    target,
    ...(revisions === undefined ? {} : { revisions }),
  }));
}
