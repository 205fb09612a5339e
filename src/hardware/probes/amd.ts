/**
 * Answers: which AMD GPUs there are, from the files of the amdgpu driver alone: memory from the PCI
 * device, target and links from the KFD topology. Kernel documentation: gpu/amdgpu/driver-misc,
 * drivers/gpu/drm/amd/amdkfd/kfd_topology.c.
 */
import { findGpuByPci } from '../gpu-table.ts';
import type { Memory } from '../machine.ts';
import {
  hexDigits,
  pciName,
  unknownAccelerator,
  withSpec,
  type FoundAccelerator,
} from './found.ts';
import { parseNumber, type MachineFiles } from './files.ts';
import { PCI_FOLDER, type PciDevice } from './pci.ts';
import { isVisibleRocm } from './visible.ts';

const KFD_NODES = '/sys/class/kfd/kfd/topology/nodes';

export interface KfdNode {
  readonly pciAddress: string;
  /** `gfx942` */
  readonly gfx: string | null;
  /** Cards of one xGMI hive share it; `0` = in none. A 64-bit number, so kept as text. */
  readonly hive: string;
}

export function probeAmd(
  devices: readonly PciDevice[],
  context: {
    readonly files: MachineFiles;
    readonly env: NodeJS.ProcessEnv;
    readonly memory: Memory;
  },
): readonly FoundAccelerator[] {
  if (devices.length === 0) return [];
  const { files } = context;
  const nodes = readKfdNodes(files);
  const order = (device: PciDevice): number => {
    const position = nodes.findIndex(({ pciAddress }) => pciAddress === device.address);
    return position < 0 ? nodes.length : position;
  };
  const cards = devices
    .toSorted((a, b) => order(a) - order(b))
    .map((device, index) => ({ device, index, uuid: null }))
    .filter((card) => isVisibleRocm(card, context.env));
  const isLinked = isOneHive(devices, nodes);
  return cards.map(({ device, index }) => {
    const node = nodes.find(({ pciAddress }) => pciAddress === device.address) ?? null;
    return describeCard(device, { ...context, node, index, isLinked });
  });
}

function describeCard(
  device: PciDevice,
  context: {
    readonly files: MachineFiles;
    readonly memory: Memory;
    readonly node: KfdNode | null;
    readonly index: number;
    readonly isLinked: boolean | null;
  },
): FoundAccelerator {
  const { files, memory, node, index } = context;
  const folder = `${PCI_FOLDER}/${device.address}`;
  const total = parseNumber(files.read(`${folder}/mem_info_vram_total`));
  const used = parseNumber(files.read(`${folder}/mem_info_vram_used`));
  const revision = parseNumber(files.read(`${folder}/revision`));
  const spec = findGpuByPci('amd', { device: device.device, revision, memoryBytes: total });
  const product = files.read(`${folder}/product_name`)?.trim() ?? '';
  const fallback = spec?.name ?? `GPU ${pciName(device.vendor, device.device)}`;
  const found = withSpec(
    {
      ...unknownAccelerator('amd', product === '' ? `AMD ${fallback}` : product, folder),
      index,
      memoryBytesTotal: total,
      memoryBytesFree: total === null || used === null ? null : Math.max(0, total - used),
      driver: total === null ? null : readDriver(files),
      gfx: node?.gfx ?? null,
      hasPeerLink: context.isLinked,
      pciAddress: device.address,
    },
    spec,
  );
  if (found.accelerator.memoryKind !== 'unified' || total === null) return found;
  // An APU's `vram` is only the part that the firmware has set aside; the driver takes the rest
  // from the machine's memory as it needs it.
  const { bytesTotal, bytesAvailable } = memory;
  const accelerator = {
    ...found.accelerator,
    memoryBytesTotal: bytesTotal,
    memoryBytesFree: bytesAvailable,
  };
  return { ...found, accelerator };
}

/** Only the packaged driver has a version of its own; the one in the kernel has the kernel's. */
function readDriver(files: MachineFiles): string | null {
  const version = files.read('/sys/module/amdgpu/version')?.trim();
  if (version !== undefined && version !== '') return version;
  const kernel = files.read('/proc/sys/kernel/osrelease')?.trim();
  return kernel === undefined ? null : `kernel ${kernel}`;
}

function readKfdNodes(files: MachineFiles): readonly KfdNode[] {
  return files
    .list(KFD_NODES)
    .toSorted((a, b) => Number(a) - Number(b))
    .flatMap((name) => parseKfdNode(files.read(`${KFD_NODES}/${name}/properties`) ?? '') ?? []);
}

/** `null` for the nodes that are processors. */
export function parseKfdNode(properties: string): KfdNode | null {
  const fields = new Map(
    properties.split('\n').map((line) => {
      const [key = '', value = ''] = line.trim().split(/\s+/);
      return [key, value] as const;
    }),
  );
  const version = parseNumber(fields.get('gfx_target_version') ?? null);
  const location = parseNumber(fields.get('location_id') ?? null);
  if (version === null || version === 0 || location === null || location > 0xff_ff) return null;
  const domain = parseNumber(fields.get('domain') ?? null) ?? 0;
  const bus = hexDigits(location >>> 8, 2);
  const slot = hexDigits((location >>> 3) & 0x1f, 2);
  return {
    pciAddress: `${hexDigits(domain, 4)}:${bus}:${slot}.${location & 7}`,
    gfx: gfxName(version),
    hive: fields.get('hive_id') ?? '0',
  };
}

/** 90402 → `gfx942`, 90010 → `gfx90a`, 110501 → `gfx1151`: minor and stepping are hex digits. */
export function gfxName(version: number): string | null {
  const major = Math.floor(version / 10_000);
  const minor = Math.floor(version / 100) % 100;
  const stepping = version % 100;
  if (major === 0 || minor > 15 || stepping > 15) return null;
  return `gfx${major}${minor.toString(16)}${stepping.toString(16)}`;
}

function isOneHive(devices: readonly PciDevice[], nodes: readonly KfdNode[]): boolean | null {
  if (devices.length === 1) return false;
  const hives = devices.map(
    ({ address }) => nodes.find(({ pciAddress }) => pciAddress === address)?.hive,
  );
  if (hives.includes(undefined)) return null;
  return hives[0] !== '0' && hives.every((hive) => hive === hives[0]);
}
