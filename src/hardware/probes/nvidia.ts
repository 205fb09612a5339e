/**
 * Answers: which NVIDIA cards there are. `nvidia-smi` is asked once; where it is missing, hangs or
 * cannot reach the driver, the PCI bus still names the cards, without their memory.
 */
import { findGpuByName, findGpuByPci } from '../gpu-table.ts';
import type { Accelerator, Memory } from '../machine.ts';
import { pciName, unknownAccelerator, withSpec, type FoundAccelerator } from './found.ts';
import type { MachineFiles } from './files.ts';
import {
  isUnknownField,
  NVIDIA_FIELDS,
  NVIDIA_FIELDS_OLD,
  parseNvidiaRows,
  parseNvLink,
  type NvidiaField,
  type NvidiaRow,
} from './nvidia-smi.ts';
import { hasNvidiaDriver, NVIDIA_SMI_WSL, PCI_FOLDER, type PciDevice } from './pci.ts';
import { cachedText } from './text-cache.ts';
import { isVisibleCuda } from './visible.ts';

export interface NvidiaContext {
  readonly files: MachineFiles;
  readonly env: NodeJS.ProcessEnv;
  readonly memory: Memory;
  readonly cacheFolder: string | null;
  readonly signal?: () => AbortSignal;
  /** In place of `NVIDIA_SMI_DEADLINE_MS`, for tests of a tool that hangs. */
  readonly deadlineMs?: number;
}

/**
 * Without the persistence daemon the first call starts the driver: 1–3 s a card, about 10 s with
 * eight. A tool that needs longer hangs.
 */
const NVIDIA_SMI_DEADLINE_MS = 15_000;

export async function probeNvidia(
  devices: readonly PciDevice[],
  context: NvidiaContext,
): Promise<readonly FoundAccelerator[]> {
  if (devices.length === 0 && !hasNvidiaDriver(context.files)) return [];
  const [rows, isLinked] = await Promise.all([
    queryRows(context),
    devices.length > 1 ? queryNvLink(devices, context) : null,
  ]);
  return rows.length === 0
    ? cardsFromPci(devices, context.files)
    : cardsFromRows(rows, isLinked, context);
}

/** Without a look at the PCI bus: on Windows. */
export async function queryNvidiaCards(
  context: NvidiaContext,
): Promise<readonly FoundAccelerator[]> {
  return cardsFromRows(await queryRows(context), null, context);
}

function cardsFromRows(
  rows: readonly NvidiaRow[],
  isLinked: boolean | null,
  context: NvidiaContext,
): readonly FoundAccelerator[] {
  const hasPeerLink = rows.length === 1 ? false : isLinked;
  return rows
    .filter((row) => isVisibleCuda(row, context.env))
    .map((row) => cardFromRow(row, hasPeerLink, context.memory));
}

function cardFromRow(
  row: NvidiaRow,
  hasPeerLink: boolean | null,
  memory: Memory,
): FoundAccelerator {
  const spec = findGpuByName('nvidia', row.name, row.memoryBytesTotal);
  const found = withSpec(
    {
      ...unknownAccelerator('nvidia', row.name, 'nvidia-smi --query-gpu'),
      index: row.index,
      memoryBytesTotal: row.memoryBytesTotal,
      memoryBytesFree: row.memoryBytesFree,
      memoryKind: row.memoryBytesTotal === null ? null : 'dedicated',
      driver: row.driver,
      computeCapability: row.computeCapability,
      migMode: row.migMode,
      pciAddress: row.pciAddress,
      hasPeerLink,
    },
    spec,
  );
  return found.accelerator.memoryKind === 'unified' ? withMachineMemory(found, memory) : found;
}

/** GB10 and Jetson answer `[N/A]`: the GPU works in the machine's own memory. */
function withMachineMemory(found: FoundAccelerator, memory: Memory): FoundAccelerator {
  const accelerator: Accelerator = {
    ...found.accelerator,
    memoryBytesTotal: memory.bytesTotal,
    memoryBytesFree: memory.bytesAvailable,
  };
  return { ...found, accelerator };
}

function cardsFromPci(
  devices: readonly PciDevice[],
  files: MachineFiles,
): readonly FoundAccelerator[] {
  const driver = parseDriverVersion(files.read('/proc/driver/nvidia/version') ?? '');
  return devices.map((device, index) => {
    const identity = { device: device.device, revision: null, memoryBytes: null };
    const spec = findGpuByPci('nvidia', identity);
    const name = spec?.name ?? `GPU ${pciName(device.vendor, device.device)}`;
    const source = `${PCI_FOLDER}/${device.address}`;
    return withSpec(
      {
        ...unknownAccelerator('nvidia', `NVIDIA ${name}`, source),
        index,
        driver,
        pciAddress: device.address,
        ...(devices.length === 1 ? { hasPeerLink: false } : {}),
      },
      spec,
    );
  });
}

/** `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5 …` → `550.54.15`. */
export function parseDriverVersion(text: string): string | null {
  return /^NVRM version:.*?\s(\d{3,}(?:\.\d+){1,2})\s/m.exec(text)?.[1] ?? null;
}

async function queryRows(context: NvidiaContext): Promise<readonly NvidiaRow[]> {
  const query = async (fields: readonly NvidiaField[]): Promise<string | null> =>
    await runNvidiaSmi(
      [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'],
      context,
    );
  let fields: readonly NvidiaField[] = NVIDIA_FIELDS;
  let text = await query(fields);
  if (text !== null && isUnknownField(text)) {
    fields = NVIDIA_FIELDS_OLD;
    text = await query(fields);
  }
  // Rows count even when the tool ends with an error: it does so for one sick card among eight.
  return parseNvidiaRows(text ?? '', fields);
}

/** The matrix does not change while the machine is up, so it is asked once a boot and driver. */
async function queryNvLink(
  devices: readonly PciDevice[],
  context: NvidiaContext,
): Promise<boolean | null> {
  const key = [
    context.files.read('/proc/sys/kernel/random/boot_id'),
    context.files.read('/proc/driver/nvidia/version'),
    devices.map(({ address }) => address).join(' '),
  ];
  const file = { folder: context.cacheFolder, name: 'nvidia-topology.json', key };
  const text = await cachedText(file, async () => {
    const matrix = await runNvidiaSmi(['topo', '-m'], context);
    return matrix !== null && parseNvLink(matrix) !== null ? matrix : null;
  });
  return text === null ? null : parseNvLink(text);
}

/** Standard output, also of a run that failed; `null` = missing, hung or killed. */
async function runNvidiaSmi(
  args: readonly string[],
  context: NvidiaContext,
): Promise<string | null> {
  // Loaded here: a machine without a card must not pay for child processes.
  const { runCommand } = await import('../../base/exec.ts');
  const signal = context.signal?.();
  const limits = {
    deadlineMs: context.deadlineMs ?? NVIDIA_SMI_DEADLINE_MS,
    env: context.env,
    ...(signal === undefined ? {} : { signal }),
  };
  let result = await runCommand('nvidia-smi', args, limits);
  if (result.kind === 'missing' && context.files.exists(NVIDIA_SMI_WSL)) {
    result = await runCommand(NVIDIA_SMI_WSL, args, limits);
  }
  signal?.throwIfAborted();
  return result.kind === 'exited' ? result.stdout : null;
}
