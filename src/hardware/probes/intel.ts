/**
 * Answers: which Intel GPUs there are, from the PCI bus alone: neither i915 nor xe has a file with
 * the memory size, so it comes from the tables where the device number settles it.
 */
import { findGpuByPci } from '../gpu-table.ts';
import type { Memory } from '../machine.ts';
import { pciName, unknownAccelerator, withSpec, type FoundAccelerator } from './found.ts';
import { PCI_FOLDER, type PciDevice } from './pci.ts';

/** Intel has put the processor's own graphics at this address since 2006. */
const INTEGRATED_ADDRESS = '0000:00:02.0';

const CLASS_DISPLAY = 0x03;

export function probeIntel(
  devices: readonly PciDevice[],
  memory: Memory,
): readonly FoundAccelerator[] {
  return devices
    .filter((device) => device.class >>> 16 === CLASS_DISPLAY)
    .map((device, index) => describeCard(device, index, memory));
}

function describeCard(device: PciDevice, index: number, memory: Memory): FoundAccelerator {
  const identity = { device: device.device, revision: null, memoryBytes: null };
  const spec = findGpuByPci('intel', identity);
  const name = spec?.name ?? `GPU ${pciName(device.vendor, device.device)}`;
  const source = `${PCI_FOLDER}/${device.address}`;
  const base = {
    ...unknownAccelerator('intel', `Intel ${name}`, source),
    index,
    pciAddress: device.address,
  };
  if (device.address === INTEGRATED_ADDRESS) {
    const { bytesTotal, bytesAvailable } = memory;
    const found = withSpec(base, spec);
    const accelerator = {
      ...found.accelerator,
      class: 'integrated' as const,
      memoryKind: 'unified' as const,
      memoryBytesTotal: bytesTotal,
      memoryBytesFree: bytesAvailable,
    };
    return { ...found, accelerator };
  }
  const found = withSpec({ ...base, memoryBytesTotal: spec?.memoryBytes ?? null }, spec);
  return { ...found, specified: [...found.specified, 'memoryBytesTotal'] };
}
