/**
 * Answers: how many bytes a second this machine's memory delivers, as the best of several kernels
 * and thread counts. It is the ceiling that decode speed is judged by, so a kernel that is too slow
 * is worse than none: `bench/bandwidth-check.ts` compares with C.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { GIB, MIB } from '../base/units.ts';
import { assembleKernel, BLOCK_BYTES, WASM_PAGE_BYTES } from './bandwidth-kernel.ts';
import type { KernelName, RoundOrder, RoundReport, WorkerSetup } from './bandwidth-worker.ts';
import { memoryBytesUsable, type Machine } from './machine.ts';
import { wasm } from './wasm.ts';

export interface MemoryBandwidth {
  readonly bytesPerSecond: number;
  readonly kernel: KernelName;
  readonly threads: number;
  readonly workingSetBytes: number;
  /** (fastest − slowest) ÷ fastest of the repeated best round: 0 is perfectly steady. */
  readonly spread: number;
  /** The working set is below twice the last-level cache: the figure is no limit of the memory. */
  readonly isCacheResident: boolean;
}

const KERNELS: readonly KernelName[] = ['wasm-simd-read', 'wasm-simd-triad', 'memchr'];

/** Long enough for a thousand looks at the clock, short enough for 3 × 4 × 2 rounds. */
const ROUND_MS = 60;
/** First round of a kernel is thrown away: the optimising compiler replaces the code meanwhile. */
const ROUNDS_SWEEP = 2;
const ROUNDS_FINAL = 6;

/** All in all about 2 s; a machine that needs this long is swapping. */
const MEASURE_DEADLINE_MS = 20_000;

/** Beyond it the caches of large processors are outrun, and filling takes seconds. */
const WORKING_SET_BYTES_MAX = 2 * GIB;
const WORKING_SET_BYTES_MIN = 32 * MIB;
/** Assumed where the cache is not known: eight times the 32 MiB of a common desktop processor. */
const WORKING_SET_BYTES_DEFAULT = 256 * MIB;

/** More threads add start-up time and memory, but no bandwidth on any machine sold. */
const THREADS_MAX = 64;

/** @throws the signal's reason when it is aborted */
export async function measureMemoryBandwidth(options: {
  readonly machine: Machine;
  readonly signal?: AbortSignal;
}): Promise<MemoryBandwidth> {
  const { machine } = options;
  const deadline = AbortSignal.timeout(MEASURE_DEADLINE_MS);
  const signal =
    options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  signal.throwIfAborted();
  const workingSetBytes = workingSetOf(machine);
  const counts = threadCounts(machine);
  const crew = startCrew(Math.max(...counts), workingSetBytes, signal);
  try {
    await crew.run('fill', crew.size);
    const best = await sweep(crew, counts);
    const rates: number[] = [best.bytesPerSecond];
    for (let round = 0; round < ROUNDS_FINAL; round += 1) {
      rates.push(await crew.run(best.kernel, best.threads));
    }
    const fastest = Math.max(...rates);
    const cache = machine.cpu.lastLevelCacheBytes;
    return {
      bytesPerSecond: Math.round(fastest),
      kernel: best.kernel,
      threads: best.threads,
      workingSetBytes,
      spread: (fastest - Math.min(...rates)) / fastest,
      isCacheResident: cache !== null && workingSetBytes < 2 * cache,
    };
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await crew.stop();
  }
}

/** min(8 × last-level cache, 2 GiB, a quarter of what is free), whole WebAssembly pages. */
export function workingSetOf(machine: Machine): number {
  const cache = machine.cpu.lastLevelCacheBytes;
  const wanted = cache === null ? WORKING_SET_BYTES_DEFAULT : 8 * cache;
  const usable = memoryBytesUsable(machine);
  const allowed = usable === null ? WORKING_SET_BYTES_DEFAULT : usable / 4;
  const bytes = Math.max(WORKING_SET_BYTES_MIN, Math.min(wanted, allowed, WORKING_SET_BYTES_MAX));
  return Math.floor(bytes / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
}

/** 1, half the cores, all cores, all hardware threads: memory is often saturated by half. */
export function threadCounts(machine: Machine): readonly number[] {
  const usable = machine.cpu.coresUsable ?? machine.cpu.coresLogical ?? 1;
  const cores = Math.min(machine.cpu.coresPhysical ?? usable, usable);
  const counts = [1, Math.ceil(cores / 2), cores, usable];
  return [...new Set(counts.map((count) => Math.min(Math.max(1, count), THREADS_MAX)))].toSorted(
    (a, b) => a - b,
  );
}

interface Candidate {
  readonly kernel: KernelName;
  readonly threads: number;
  readonly bytesPerSecond: number;
}

async function sweep(crew: Crew, counts: readonly number[]): Promise<Candidate> {
  let best: Candidate | null = null;
  for (const kernel of KERNELS) {
    await crew.run(kernel, crew.size);
    for (const threads of counts) {
      for (let round = 0; round < ROUNDS_SWEEP; round += 1) {
        const bytesPerSecond = await crew.run(kernel, threads);
        if (best === null || bytesPerSecond > best.bytesPerSecond) {
          best = { kernel, threads, bytesPerSecond };
        }
      }
    }
  }
  if (best === null) throw new Error('no kernel ran');
  return best;
}

interface Crew {
  readonly size: number;
  /** Bytes a second of all `threads` together. */
  readonly run: (kernel: KernelName | 'fill', threads: number) => Promise<number>;
  readonly stop: () => Promise<void>;
}

function startCrew(size: number, workingSetBytes: number, signal: AbortSignal): Crew {
  const pages = workingSetBytes / WASM_PAGE_BYTES;
  const setup: WorkerSetup = {
    module: new wasm.Module(assembleKernel(pages)),
    memory: new wasm.Memory({ initial: pages, maximum: pages, shared: true }),
    gate: new Int32Array(new SharedArrayBuffer(4)),
  };
  const file = workerFile(import.meta.url);
  const workers = Array.from({ length: size }, () => new Worker(file, { workerData: setup }));
  return {
    size,
    run: async (kernel, threads) => {
      Atomics.store(setup.gate, 0, 0);
      const share = Math.floor(workingSetBytes / threads / BLOCK_BYTES) * BLOCK_BYTES;
      const reports = await Promise.all(
        workers.slice(0, threads).map(async (worker, index) => {
          const start = index * share;
          const order = { kernel, start, end: start + share, threads, durationMs: ROUND_MS };
          return await ask(worker, order, signal);
        }),
      );
      return rateOf(reports);
    },
    stop: async () => {
      await Promise.all(workers.map(async (worker) => await worker.terminate()));
    },
  };
}

/**
 * The worker's own file, next to `src/hardware/bandwidth.ts`, to `dist/hardware/bandwidth.js`, and
 * seen from the bundle in `dist/bin/`, which does not contain it.
 */
export function workerFile(ownUrl: string): URL {
  const extension = ownUrl.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`../hardware/bandwidth-worker.${extension}`, ownUrl);
}

/** `once` listens to the worker's `error` too, and to the signal. */
async function ask(worker: Worker, order: RoundOrder, signal: AbortSignal): Promise<RoundReport> {
  const reply = once(worker, 'message', { signal });
  // oxlint-disable-next-line require-post-message-target-origin -- a thread, not a window
  worker.postMessage(order);
  // The worker answers every order with one report.
  const [report] = (await reply) as [RoundReport];
  return report;
}

/** All bytes over the time from the first start to the last end: late threads count against it. */
function rateOf(reports: readonly RoundReport[]): number {
  const bytes = reports.reduce((sum, report) => sum + report.bytes, 0);
  const started = reports.map(({ startedNs }) => startedNs).reduce((a, b) => (a < b ? a : b));
  const ended = reports.map(({ endedNs }) => endedNs).reduce((a, b) => (a > b ? a : b));
  const seconds = Number(ended - started) / 1e9;
  return seconds > 0 ? bytes / seconds : 0;
}
