/** Answers: what a Mac is, from one `sysctl` call. */
import { runCommand } from '../../base/exec.ts';
import type { Machine } from '../machine.ts';
import { sourcesOf, type Sources } from './files.ts';
import { orderAccelerators } from './accelerators.ts';
import {
  parseSysctl,
  SYSCTL_NAMES,
  sysctlAccelerator,
  sysctlCpu,
  sysctlMemory,
  type SysctlValues,
} from './sysctl.ts';

/** It answers in a few milliseconds; a machine that swaps may need longer. */
const SYSCTL_DEADLINE_MS = 5000;

export type MachineParts = Pick<Machine, 'os' | 'cpu' | 'memory' | 'accelerators' | 'sources'>;

export async function probeDarwin(options: {
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: () => AbortSignal;
}): Promise<MachineParts> {
  // Unknown names make it end with 1; what it printed until then still holds.
  const signal = options.signal?.();
  const result = await runCommand('sysctl', SYSCTL_NAMES, {
    deadlineMs: SYSCTL_DEADLINE_MS,
    env: options.env,
    ...(signal === undefined ? {} : { signal }),
  });
  signal?.throwIfAborted();
  return darwinParts(parseSysctl(result.kind === 'exited' ? result.stdout : ''));
}

export function darwinParts(values: SysctlValues): MachineParts {
  const version = values.get('kern.osproductversion') ?? '';
  const os = {
    platform: 'darwin' as const,
    name: version === '' ? null : `macOS ${version}`,
    release: values.get('kern.osrelease') ?? null,
    libc: null,
    isWsl: false,
    isContainer: false,
  };
  const cpu = sysctlCpu(values);
  const memory = sysctlMemory(values);
  const accelerator = sysctlAccelerator(values);
  const accelerators = orderAccelerators(
    accelerator === null
      ? []
      : [{ accelerator, specified: ['class', 'bandwidthBytesPerSecond', 'appleGeneration'] }],
  );
  const sources: Sources = {
    'os.platform': 'process.platform',
    ...sourcesOf('os', { name: os.name, release: os.release }, 'sysctl'),
    ...sourcesOf('cpu', { ...cpu }, 'sysctl'),
    ...sourcesOf('memory', { ...memory }, 'sysctl'),
    ...accelerators.sources,
  };
  return { os, cpu, memory, accelerators: accelerators.value, sources };
}
