/** Answers: which graphics and compute devices sit on the PCI bus, without asking any driver. */
import { parseNumber, type MachineFiles } from './files.ts';

export const PCI_FOLDER = '/sys/bus/pci/devices';

export const PCI_VENDOR = { nvidia: 0x10de, amd: 0x1002, intel: 0x8086 } as const;

export interface PciDevice {
  /** `0000:65:00.0` */
  readonly address: string;
  readonly vendor: number;
  readonly device: number;
  /** 24 bits: base class, subclass, interface. */
  readonly class: number;
}

/** PCI Code and ID Assignment Specification 1.15: display controllers, processing accelerators. */
const CLASS_DISPLAY = 0x03;
const CLASS_ACCELERATOR = 0x12;

/** In the order of the addresses, which is the order `nvidia-smi` counts in. */
export function probePci(files: MachineFiles): readonly PciDevice[] {
  return files.list(PCI_FOLDER).flatMap((address) => {
    const folder = `${PCI_FOLDER}/${address}`;
    const pciClass = parseNumber(files.read(`${folder}/class`));
    if (pciClass === null || !isAccelerator(pciClass)) return [];
    const vendor = parseNumber(files.read(`${folder}/vendor`));
    const device = parseNumber(files.read(`${folder}/device`));
    if (vendor === null || device === null) return [];
    return [{ address, vendor, device, class: pciClass }];
  });
}

/** WSL puts the tool where PATH does not always lead. */
export const NVIDIA_SMI_WSL = '/usr/lib/wsl/lib/nvidia-smi';

/** A driver is at work though the bus may show no card: Jetson, WSL, some containers. */
export function hasNvidiaDriver(files: MachineFiles): boolean {
  const signs = ['/proc/driver/nvidia/version', '/dev/nvidiactl', NVIDIA_SMI_WSL];
  return signs.some((path) => files.exists(path));
}

function isAccelerator(pciClass: number): boolean {
  const base = pciClass >>> 16;
  return base === CLASS_DISPLAY || base === CLASS_ACCELERATOR;
}
