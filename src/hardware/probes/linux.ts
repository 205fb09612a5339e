/** Answers: what a Linux machine is, from `/proc` and `/sys`, and vendors' tools for cards. */
import type { Accelerator } from '../machine.ts';
import type { Sourced } from './files.ts';
import { probeCgroups } from './cgroup.ts';
import { probeCpu } from './cpu.ts';
import type { MachineParts } from './darwin.ts';
import { probeMemory } from './memory.ts';
import type { NvidiaContext } from './nvidia.ts';
import { probeOperatingSystem } from './os.ts';
import { hasNvidiaDriver, PCI_FOLDER, probePci } from './pci.ts';

export async function probeLinux(context: Omit<NvidiaContext, 'memory'>): Promise<MachineParts> {
  const { files, env } = context;
  const limits = probeCgroups(files);
  const cpu = await probeCpu(files, limits);
  const memory = probeMemory(files, limits);
  const os = probeOperatingSystem(files, env);
  const accelerators = await findAccelerators({ ...context, memory: memory.value });
  return {
    os: os.value,
    cpu: cpu.value,
    memory: memory.value,
    accelerators: accelerators.value,
    sources: { ...os.sources, ...cpu.sources, ...memory.sources, ...accelerators.sources },
  };
}

async function findAccelerators(context: NvidiaContext): Promise<Sourced<readonly Accelerator[]>> {
  const devices = probePci(context.files);
  if (devices.length === 0 && !hasNvidiaDriver(context.files)) {
    return { value: [], sources: { accelerators: PCI_FOLDER } };
  }
  // Loaded here: most machines without a GPU need none of it, and `info` starts twice as fast.
  const { probeAccelerators } = await import('./accelerators.ts');
  return await probeAccelerators(devices, context);
}
