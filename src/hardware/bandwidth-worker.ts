/**
 * One thread of `bandwidth.ts`: runs a kernel over its share of the common memory for a given time
 * and says how many bytes it moved. Started as a worker thread, never imported.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { BLOCK_BYTES, type KernelExports } from './bandwidth-kernel.ts';
import { wasm, type WasmMemory, type WasmModule } from './wasm.ts';

export type KernelName = 'wasm-simd-read' | 'wasm-simd-triad' | 'memchr';

export interface WorkerSetup {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** One counter: threads that are ready to start the current round. */
  readonly gate: Int32Array;
}

export interface RoundOrder {
  /** `fill` writes every page once: pages never written all share one page of zeros. */
  readonly kernel: KernelName | 'fill';
  readonly start: number;
  readonly end: number;
  /** Threads that take part; all wait for each other before the clock starts. */
  readonly threads: number;
  readonly durationMs: number;
}

export interface RoundReport {
  readonly bytes: number;
  /** Monotonic, common to all threads. */
  readonly startedNs: bigint;
  readonly endedNs: bigint;
}

/**
 * Bytes between two looks at the clock: 0.1 ms at 40 GB/s. Also the time by which a thread may
 * overrun the round.
 */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** A thread that does not come to the gate has died; the others must not wait for ever. */
const GATE_DEADLINE_MS = 2000;

/** Filled with this; `memchr` looks for another and so reads to the end. */
const FILL_BYTE = 0x5a;
const ABSENT_BYTE = 0x01;

// Handed over by `bandwidth.ts` alone.
const { module, memory, gate } = workerData as WorkerSetup;
const instance = new wasm.Instance(module, { env: { memory } });
// The module's exports are those of `assembleKernel`.
const kernel = instance.exports as unknown as KernelExports;
const buffer = Buffer.from(memory.buffer);

parentPort?.on('message', (order: RoundOrder) => {
  // oxlint-disable-next-line require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(run(order));
});

function run(order: RoundOrder): RoundReport {
  const { start, end } = order;
  waitAtGate(order.threads);
  const startedNs = process.hrtime.bigint();
  if (order.kernel === 'fill') {
    buffer.fill(FILL_BYTE, start, end);
    return { bytes: end - start, startedNs, endedNs: process.hrtime.bigint() };
  }
  const untilNs = startedNs + BigInt(Math.round(order.durationMs * 1e6));
  let bytes = 0;
  let position = start;
  let nowNs = startedNs;
  while (nowNs < untilNs) {
    const size = Math.min(CHUNK_BYTES, end - position);
    bytes += runChunk(order.kernel, position, size);
    position += size;
    if (position >= end) position = start;
    nowNs = process.hrtime.bigint();
  }
  return { bytes, startedNs, endedNs: nowNs };
}

/** Returns the bytes moved, counted as STREAM counts them: a write once, without its pre-read. */
function runChunk(name: KernelName, start: number, size: number): number {
  if (name === 'memchr') {
    if (buffer.subarray(start, start + size).indexOf(ABSENT_BYTE) >= 0) {
      throw new Error('the memory holds a byte that was never written to it');
    }
    return size;
  }
  if (name === 'wasm-simd-read') {
    kernel.read(start, start + size);
    return size;
  }
  const third = Math.floor(size / 3 / BLOCK_BYTES) * BLOCK_BYTES;
  if (third === 0) return 0;
  kernel.triad(start, start + third, start + 2 * third, third);
  return 3 * third;
}

function waitAtGate(threads: number): void {
  const arrived = Atomics.add(gate, 0, 1) + 1;
  if (arrived >= threads) {
    Atomics.notify(gate, 0);
    return;
  }
  for (let seen = arrived; seen < threads; seen = Atomics.load(gate, 0)) {
    if (Atomics.wait(gate, 0, seen, GATE_DEADLINE_MS) === 'timed-out') return;
  }
}
