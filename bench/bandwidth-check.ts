/**
 * Answers: is the bandwidth that `info --measure` reports the machine's, or only our kernels'?
 * Compiles `bandwidth-check.c` with the system's C compiler and prints our figure ÷ C's, measured
 * alternately; says so where there is no compiler.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MIB } from '../src/base/units.ts';
import { commandOutput } from '../src/base/exec.ts';
import { measureMemoryBandwidth, type MemoryBandwidth } from '../src/hardware/bandwidth.ts';
import { detectMachine } from '../src/hardware/detect.ts';

const ROUNDS = 3;
const COMPILE_DEADLINE_MS = 60_000;
const RUN_DEADLINE_MS = 60_000;
const SOURCE = fileURLToPath(new URL('bandwidth-check.c', import.meta.url));

const folder = await mkdtemp(join(tmpdir(), 'bandwidth-check-'));
try {
  const machine = await detectMachine({ dataPath: folder });
  const binary = join(folder, 'bandwidth-check');
  const isCompiled = await compile(binary);
  for (let round = 1; round <= ROUNDS; round += 1) {
    const ours = await measureMemoryBandwidth({ machine });
    const found = describe(ours);
    if (!isCompiled) {
      console.log(`round ${round}: ours ${found}; no C compiler \`cc\` here, nothing to compare`);
      continue;
    }
    const theirs = await runReference(binary, ours.workingSetBytes, machine.cpu.coresUsable ?? 1);
    const best = Math.max(...theirs.values());
    const parts = [...theirs].map(([name, rate]) => `${name} ${gigabytes(rate)}`).join(', ');
    const ratio = (ours.bytesPerSecond / best).toFixed(2);
    console.log(`round ${round}: ours ${found}; C ${parts}; ours ÷ best of C = ${ratio}`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function compile(binary: string): Promise<boolean> {
  const args = ['-O3', '-march=native', '-pthread', '-o', binary, SOURCE];
  return (await commandOutput('cc', args, { deadlineMs: COMPILE_DEADLINE_MS })) !== null;
}

/** Best of one thread and all threads, for each C kernel. */
async function runReference(
  binary: string,
  bytes: number,
  threadsMax: number,
): Promise<ReadonlyMap<string, number>> {
  const best = new Map<string, number>();
  for (const threads of new Set([1, threadsMax])) {
    const args = [String(bytes), String(threads), '60'];
    const output = await commandOutput(binary, args, { deadlineMs: RUN_DEADLINE_MS });
    for (const [, name = '', rate = '0'] of (output ?? '').matchAll(/^(\w+) (\d+)$/gm)) {
      best.set(name, Math.max(best.get(name) ?? 0, Number(rate)));
    }
  }
  return best;
}

function describe(ours: MemoryBandwidth): string {
  const facts = [
    ours.kernel,
    `${ours.threads} threads`,
    `working set ${Math.round(ours.workingSetBytes / MIB)} MiB`,
    `spread ${(ours.spread * 100).toFixed(0)} %`,
    ...(ours.isCacheResident ? ['cache-resident'] : []),
  ];
  return `${gigabytes(ours.bytesPerSecond)} (${facts.join(', ')})`;
}

function gigabytes(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e9).toFixed(1)} GB/s`;
}
