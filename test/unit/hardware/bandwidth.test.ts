import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import {
  assembleKernel,
  BLOCK_BYTES,
  WASM_PAGE_BYTES,
  type KernelExports,
} from '../../../src/hardware/bandwidth-kernel.ts';
import {
  measureMemoryBandwidth,
  threadCounts,
  workerFile,
  workingSetOf,
} from '../../../src/hardware/bandwidth.ts';
import type { Machine } from '../../../src/hardware/machine.ts';
import { parseMachine } from '../../../src/hardware/read-machine.ts';
import { wasm } from '../../../src/hardware/wasm.ts';

function machineOf(cacheBytes: number | null, freeBytes: number | null, cores = 2): Machine {
  return parseMachine({
    cpu: { lastLevelCacheBytes: cacheBytes, coresPhysical: cores, coresUsable: cores },
    memory: { bytesAvailable: freeBytes },
  });
}

function load(pages: number): {
  readonly kernel: KernelExports;
  readonly bytes: SharedArrayBuffer;
} {
  const memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
  const module = new wasm.Module(assembleKernel(pages));
  const { exports } = new wasm.Instance(module, { env: { memory } });
  // Exports of the module that was just assembled.
  return { kernel: exports as unknown as KernelExports, bytes: memory.buffer };
}

describe('the assembled kernels', () => {
  test('`read` touches every vector of its range and nothing beyond', () => {
    const { kernel, bytes } = load(1);
    const words = new Uint32Array(bytes);
    // The result is the exclusive or of the first word of each 16 bytes.
    for (let index = 0; index < words.length; index += 1)
      words[index] = (index * 2_654_435_761) >>> 0;
    const [start, end] = [BLOCK_BYTES * 3, BLOCK_BYTES * 40];
    let wanted = 0;
    for (let word = start / 4; word < end / 4; word += 4) wanted ^= words[word] ?? 0;
    expect(kernel.read(start, end)).toBe(wanted | 0);
  });

  test('`triad` computes a = b + 3 · c, and leaves the byte after a alone', () => {
    const { kernel, bytes } = load(1);
    const numbers = new Float64Array(bytes);
    const count = (BLOCK_BYTES * 5) / 8;
    numbers.fill(7, 0, count + 1);
    numbers.fill(2, 2 * count, 3 * count);
    numbers.fill(5, 4 * count, 5 * count);
    kernel.triad(0, 2 * count * 8, 4 * count * 8, count * 8);
    expect(numbers.slice(0, count)).toEqual(new Float64Array(count).fill(17));
    expect(numbers[count]).toBe(7);
  });

  test('compiles for memories from one page to 2 GiB', () => {
    for (const pages of [1, 63, 64, 127, 128, 8191, 16_384, 32_768]) {
      expect(new wasm.Module(assembleKernel(pages))).toBeTypeOf('object');
    }
  });
});

describe('what is measured', () => {
  test('the working set is eight caches, at most 2 GiB and a quarter of what is free', () => {
    expect(workingSetOf(machineOf(32 * MIB, 64 * GIB))).toBe(256 * MIB);
    expect(workingSetOf(machineOf(1152 * MIB, 512 * GIB))).toBe(2 * GIB);
    expect(workingSetOf(machineOf(32 * MIB, 512 * MIB))).toBe(128 * MIB);
    expect(workingSetOf(machineOf(null, null))).toBe(256 * MIB);
    expect(workingSetOf(machineOf(7_777_777, 64 * GIB)) % WASM_PAGE_BYTES).toBe(0);
  });

  test('threads go from one over half the cores to all hardware threads', () => {
    const machine = parseMachine({ cpu: { coresPhysical: 16, coresLogical: 32, coresUsable: 32 } });
    expect(threadCounts(machine)).toEqual([1, 8, 16, 32]);
    expect(threadCounts(machineOf(null, null, 1))).toEqual([1]);
    expect(threadCounts(parseMachine({}))).toEqual([1]);
    const large = parseMachine({ cpu: { coresPhysical: 192, coresUsable: 384 } });
    expect(Math.max(...threadCounts(large))).toBe(64);
  });

  test('a run names its kernel and threads and calls a small working set cache-resident', async () => {
    const machine = machineOf(24 * MIB, 64 * MIB);
    const found = await measureMemoryBandwidth({ machine });
    expect(found.workingSetBytes).toBe(32 * MIB);
    expect(found.isCacheResident).toBe(true);
    expect(['wasm-simd-read', 'wasm-simd-triad', 'memchr']).toContain(found.kernel);
    expect(threadCounts(machine)).toContain(found.threads);
    // A hundred times less or more than any machine that runs this.
    expect(found.bytesPerSecond).toBeGreaterThan(10e6);
    expect(found.bytesPerSecond).toBeLessThan(1e14);
    expect(found.spread).toBeGreaterThanOrEqual(0);
    expect(found.spread).toBeLessThanOrEqual(1);
  });

  test('an abort ends it with the signal’s reason', async () => {
    const controller = new AbortController();
    const measured = measureMemoryBandwidth({
      machine: machineOf(4 * MIB, 64 * GIB),
      signal: controller.signal,
    });
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(measured).rejects.toBe(reason);
  });

  test('the worker’s file is found from the sources, the build and the bundle', () => {
    const source = new URL('../../../src/hardware/bandwidth.ts', import.meta.url).href;
    expect(existsSync(workerFile(source))).toBe(true);
    const found = ['file:///p/dist/hardware/bandwidth.js', 'file:///p/dist/bin/info.js'].map(
      workerFile,
    );
    expect(found.map(({ href }) => href)).toEqual([
      'file:///p/dist/hardware/bandwidth-worker.js',
      'file:///p/dist/hardware/bandwidth-worker.js',
    ]);
  });
});
