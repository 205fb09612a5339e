/**
 * Answers: which accelerators a Linux machine has. The PCI bus is read first; a vendor's tool is
 * asked only when a card of that vendor is there.
 */
import type { Accelerator } from '../machine.ts';
import type { Sourced, Sources } from './files.ts';
import { probeAmd } from './amd.ts';
import { pciName, unknownAccelerator, type FoundAccelerator } from './found.ts';
import { probeIntel } from './intel.ts';
import { probeNvidia, type NvidiaContext } from './nvidia.ts';
import { PCI_FOLDER, PCI_VENDOR, type PciDevice } from './pci.ts';

const CLASS_ACCELERATOR = 0x12;

const SPECIFICATION = 'specification sheet of the vendor (`gpu-table.ts`)';

export async function probeAccelerators(
  devices: readonly PciDevice[],
  context: NvidiaContext,
): Promise<Sourced<readonly Accelerator[]>> {
  const of = (vendor: number): readonly PciDevice[] =>
    devices.filter((device) => device.vendor === vendor);
  return orderAccelerators([
    ...(await probeNvidia(of(PCI_VENDOR.nvidia), context)),
    ...probeAmd(of(PCI_VENDOR.amd), context),
    ...probeIntel(of(PCI_VENDOR.intel), context.memory),
    ...probeOthers(devices),
  ]);
}

/** Integrated ones last; the order of the vendors' own tools is kept otherwise. */
export function orderAccelerators(
  found: readonly FoundAccelerator[],
): Sourced<readonly Accelerator[]> {
  const ordered = [
    ...found.filter(({ accelerator }) => accelerator.class !== 'integrated'),
    ...found.filter(({ accelerator }) => accelerator.class === 'integrated'),
  ];
  return {
    value: ordered.map(({ accelerator }) => accelerator),
    sources: Object.assign({}, ...ordered.map(acceleratorSources)) as Sources,
  };
}

/** Accelerators that are no display and of no vendor known here: named, not understood. */
function probeOthers(devices: readonly PciDevice[]): readonly FoundAccelerator[] {
  const known: readonly number[] = Object.values(PCI_VENDOR);
  return devices
    .filter(({ vendor, class: pciClass }) => {
      return pciClass >>> 16 === CLASS_ACCELERATOR && !known.includes(vendor);
    })
    .map((device, index) => {
      const name = `accelerator ${pciName(device.vendor, device.device)}`;
      const base = unknownAccelerator('other', name, `${PCI_FOLDER}/${device.address}`);
      return {
        accelerator: { ...base, index, pciAddress: device.address },
        specified: [],
      };
    });
}

function acceleratorSources(found: FoundAccelerator, position: number): Sources {
  const entries = Object.entries(found.accelerator).flatMap(([field, value]) => {
    if (value === null || field === 'source' || field === 'vendor' || field === 'index') return [];
    const isSpecified = found.specified.some((name) => name === field);
    const source = isSpecified ? SPECIFICATION : found.accelerator.source;
    return [[`accelerators[${position}].${field}`, source] as const];
  });
  return Object.fromEntries(entries);
}
