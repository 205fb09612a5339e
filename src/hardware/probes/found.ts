/** Answers: the form in which the vendors' probes hand over what they found. */
import type { GpuSpec } from '../gpu-table.ts';
import type { Accelerator, AcceleratorVendor } from '../machine.ts';

export interface FoundAccelerator {
  readonly accelerator: Accelerator;
  /** Values that come from the specification tables and not from `accelerator.source`. */
  readonly specified: readonly (keyof Accelerator)[];
}

/** What every accelerator starts as: only its name and where it was seen are known. */
export function unknownAccelerator(
  vendor: AcceleratorVendor,
  name: string,
  source: string,
): Accelerator {
  return {
    vendor,
    name,
    index: 0,
    class: null,
    memoryBytesTotal: null,
    memoryBytesFree: null,
    memoryKind: null,
    bandwidthBytesPerSecond: null,
    driver: null,
    computeCapability: null,
    gfx: null,
    appleGeneration: null,
    hasPeerLink: null,
    migMode: null,
    pciAddress: null,
    source,
  };
}

/** Fills what the specification sheet knows and the machine did not say. */
export function withSpec(found: Accelerator, spec: GpuSpec | null): FoundAccelerator {
  if (spec === null) return { accelerator: found, specified: [] };
  const additions: Partial<Accelerator> = {
    class: spec.class,
    bandwidthBytesPerSecond: spec.bandwidthBytesPerSecond,
    memoryKind: spec.class === 'integrated' ? 'unified' : 'dedicated',
    ...(found.computeCapability === null ? { computeCapability: spec.computeCapability } : {}),
    ...(found.gfx === null ? { gfx: spec.gfx } : {}),
  };
  return {
    accelerator: { ...found, ...additions },
    // Keys of an object literal typed above.
    specified: Object.keys(additions) as (keyof Accelerator)[],
  };
}

/** `10de:2684`, as `lspci -nn` writes it. */
export function pciName(vendor: number, device: number): string {
  return `${hexDigits(vendor, 4)}:${hexDigits(device, 4)}`;
}

export function hexDigits(number: number, width: number): string {
  return number.toString(16).padStart(width, '0');
}
