/**
 * Answers: what a Windows machine is. Node's own counters first; `systeminformation` (PowerShell,
 * seconds) for the names that Node does not know; `nvidia-smi` as everywhere.
 */
import { availableParallelism, cpus, freemem, release, totalmem, version } from 'node:os';
import type { Systeminformation } from 'systeminformation';
import type { Cpu, Memory } from '../machine.ts';
import { sourcesOf } from './files.ts';
import { orderAccelerators } from './accelerators.ts';
import type { MachineParts } from './darwin.ts';
import { within } from './deadline.ts';
import { unknownAccelerator, type FoundAccelerator } from './found.ts';
import { queryNvidiaCards, type NvidiaContext } from './nvidia.ts';

/** PowerShell needs 1–3 s to start, and `systeminformation` asks it several questions. */
const SYSTEM_INFORMATION_DEADLINE_MS = 15_000;

/** What is read of `systeminformation`'s answers; all of it may be missing. */
export interface WindowsFacts {
  readonly cpu: Pick<Systeminformation.CpuData, 'vendor' | 'physicalCores' | 'cache'> | null;
  readonly controllers: readonly Pick<
    Systeminformation.GraphicsControllerData,
    'vendor' | 'model' | 'vram' | 'vramDynamic' | 'driverVersion'
  >[];
}

export async function probeWindows(context: Omit<NvidiaContext, 'memory'>): Promise<MachineParts> {
  const memory: Memory = {
    bytesTotal: totalmem(),
    bytesAvailable: freemem(),
    bytesLimit: null,
    bandwidthBytesPerSecond: null,
  };
  const [facts, nvidia] = await Promise.all([
    readFacts(),
    queryNvidiaCards({ ...context, memory }),
  ]);
  const cpu = windowsCpu(facts);
  const others = facts.controllers.flatMap((controller, index) => {
    return windowsAccelerator(controller, index) ?? [];
  });
  const accelerators = orderAccelerators([
    ...nvidia,
    ...others.filter(({ accelerator }) => nvidia.length === 0 || accelerator.vendor !== 'nvidia'),
  ]);
  return {
    os: {
      platform: 'win32',
      name: version(),
      release: release(),
      libc: null,
      isWsl: false,
      isContainer: null,
    },
    cpu,
    memory,
    accelerators: accelerators.value,
    sources: {
      ...sourcesOf('os', { platform: 'win32', name: version(), release: release() }, 'node:os'),
      ...sourcesOf('cpu', { ...cpu }, 'node:os'),
      ...sourcesOf(
        'cpu',
        {
          vendor: cpu.vendor,
          coresPhysical: cpu.coresPhysical,
          lastLevelCacheBytes: cpu.lastLevelCacheBytes,
        },
        'systeminformation',
      ),
      ...sourcesOf('memory', { ...memory }, 'node:os'),
      ...accelerators.sources,
    },
  };
}

async function readFacts(): Promise<WindowsFacts> {
  const asked = import('systeminformation').then(async ({ cpu, graphics }) => {
    const [processor, { controllers }] = await Promise.all([cpu(), graphics()]);
    return { cpu: processor, controllers };
  });
  return (await within(asked, SYSTEM_INFORMATION_DEADLINE_MS)) ?? { cpu: null, controllers: [] };
}

function windowsCpu({ cpu }: WindowsFacts): Cpu {
  const processors = cpus();
  const cores = cpu?.physicalCores ?? 0;
  const cache = cpu?.cache.l3 ?? 0;
  const vendor = /intel/i.test(cpu?.vendor ?? '')
    ? 'intel'
    : /amd/i.test(cpu?.vendor ?? '')
      ? 'amd'
      : null;
  return {
    model: processors[0]?.model.trim() ?? null,
    vendor,
    architecture: process.arch === 'x64' || process.arch === 'arm64' ? process.arch : null,
    coresPhysical: cores > 0 ? cores : null,
    coresLogical: processors.length === 0 ? null : processors.length,
    coresUsable: availableParallelism(),
    // No interface of Windows that Node reaches lists instruction sets.
    isa: [],
    lastLevelCacheBytes: cache > 0 ? cache : null,
    numaNodes: null,
  };
}

/** `vram` is in MiB; Windows caps it at 4 GiB for old interfaces, so only a smaller one is sure. */
const VRAM_MIB_CAP = 4095;

export function windowsAccelerator(
  controller: WindowsFacts['controllers'][number],
  index: number,
): FoundAccelerator | null {
  const text = `${controller.vendor} ${controller.model}`;
  const vendor = /nvidia/i.test(text)
    ? 'nvidia'
    : /\bamd\b|advanced micro|radeon/i.test(text)
      ? 'amd'
      : /intel/i.test(text)
        ? 'intel'
        : null;
  // Remote desktops and virtual machines have display adapters that compute nothing.
  if (vendor === null) return null;
  const base = unknownAccelerator(vendor, controller.model, 'systeminformation graphics()');
  const driver = controller.driverVersion ?? '';
  const vram = controller.vramDynamic ? null : controller.vram;
  const accelerator = {
    ...base,
    index,
    driver: driver === '' ? null : driver,
    memoryBytesTotal:
      vram === null || vram <= 0 || vram >= VRAM_MIB_CAP ? null : vram * 1024 * 1024,
  };
  return { accelerator, specified: [] };
}
