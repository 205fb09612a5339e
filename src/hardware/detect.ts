/**
 * Answers: what machine is this? The probes of one operating system do the looking; this file puts
 * their answers together. On Linux without a GPU it loads nothing outside Node's core and starts no
 * child process.
 */
import { MACHINE_SCHEMA, type Machine } from './machine.ts';
import type { MachineParts } from './probes/darwin.ts';
import { probeDisk } from './probes/disk.ts';
import { machineFiles } from './probes/files.ts';
import { probeLinux } from './probes/linux.ts';

export * from './machine.ts';

export interface DetectOptions {
  /** Asked for when a child process is started: most machines need none. */
  readonly signal?: () => AbortSignal;
  /** Prefix for `/proc`, `/sys` and the like, for tests. */
  readonly root?: string;
  /** Where engines and models are kept: the disk that is asked about. */
  readonly dataPath: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Where slow answers are kept between calls; `null` = nowhere. */
  readonly cacheFolder?: string | null;
  /** Whose probes are used; this machine's unless a test says otherwise. */
  readonly platform?: NodeJS.Platform;
}

/** @throws the signal's reason alone, and only of a child process: the unknown is `null` */
export async function detectMachine(options: DetectOptions): Promise<Machine> {
  const parts = await probeParts(options);
  const disk = probeDisk(options.dataPath);
  return {
    schema: MACHINE_SCHEMA,
    os: parts.os,
    cpu: parts.cpu,
    memory: parts.memory,
    accelerators: parts.accelerators,
    disk: disk.value,
    nodes: 1,
    sources: { ...parts.sources, ...disk.sources },
  };
}

async function probeParts(options: DetectOptions): Promise<MachineParts> {
  const context = {
    files: machineFiles(options.root ?? ''),
    env: options.env ?? process.env,
    cacheFolder: options.cacheFolder ?? null,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const platform = options.platform ?? process.platform;
  if (platform === 'darwin') return await (await import('./probes/darwin.ts')).probeDarwin(context);
  if (platform === 'win32')
    return await (await import('./probes/windows.ts')).probeWindows(context);
  const parts = await probeLinux(context);
  // Other systems are probed as Linux: what they lack comes out as `null`.
  return platform === 'linux' ? parts : { ...parts, os: { ...parts.os, platform: null } };
}
