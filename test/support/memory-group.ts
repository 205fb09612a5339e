/**
 * Answers: a memory control group with a limit, for what only a real shortage of memory shows.
 * Needs root and a writable cgroup file system (v1 or v2).
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const V1_ROOT = '/sys/fs/cgroup/memory';
const V2_ROOT = '/sys/fs/cgroup';

export interface MemoryGroup {
  /** Put in front of a command, it runs in the group with all its children. */
  readonly prefix: readonly string[];
  [Symbol.dispose](): void;
}

/** Why there can be no group here; `null` = there can. */
export function memoryGroupProblem(): string | null {
  if (process.platform !== 'linux') return 'control groups are a feature of Linux';
  if (process.getuid?.() !== 0) return 'a memory control group needs root';
  try {
    memoryGroup(64 * 1024 * 1024)[Symbol.dispose]();
    return null;
  } catch (thrown) {
    return `no memory control group can be made: ${thrown instanceof Error ? thrown.message : ''}`;
  }
}

let made = 0;

export function memoryGroup(bytesLimit: number): MemoryGroup {
  const isV1 = existsSync(join(V1_ROOT, 'memory.limit_in_bytes'));
  made += 1;
  const name = `hyperllama-test-${process.pid}-${made}`;
  const folder = join(isV1 ? V1_ROOT : V2_ROOT, name);
  if (!isV1) {
    const controllers = readFileSync(join(V2_ROOT, 'cgroup.subtree_control'), 'utf8');
    if (!controllers.includes('memory')) throw new Error('the memory controller is not enabled');
  }
  mkdirSync(folder);
  try {
    const limit = isV1 ? 'memory.limit_in_bytes' : 'memory.max';
    writeFileSync(join(folder, limit), String(bytesLimit));
    // Without this a machine with swap would swap instead of running out.
    if (!isV1) writeFileSync(join(folder, 'memory.swap.max'), '0');
  } catch (thrown) {
    rmdirSync(folder);
    throw thrown;
  }
  return {
    prefix: ['/bin/sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh'],
    [Symbol.dispose]: () => {
      // Busy while a process of the group is left: the test has failed then, and says so itself.
      try {
        rmdirSync(folder);
      } catch {
        process.stdout.write(`the control group ${folder} is still in use\n`);
      }
    },
  };
}
