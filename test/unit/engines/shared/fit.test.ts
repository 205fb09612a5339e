import { describe, expect, it } from 'vitest';
import type { EngineInput } from '../../../../src/engines/engine.ts';
import type { Target } from '../../../../src/engines/shared/devices.ts';
import { fit, OFFLOAD_CODE, type Fit, type FitRules } from '../../../../src/engines/shared/fit.ts';
import { card, GIB, inputOf, machineWith } from './support.ts';

const RULES: FitRules = {
  kvBytesPerElement: () => 2,
  kvCache: 'reserved',
  overheadBytes: () => GIB,
  memoryShare: 1,
  slotsMax: 16,
  split: 'layers',
  canOffload: false,
};
const CPU: Target = { device: 'cpu', cards: [] };

/** dense-8b Q4_K_M: 4.53 GiB of weights, 128 KiB of KV cache a token. */
const WEIGHTS = Math.round((8.03e9 * 4.85) / 8);
const KV_PER_TOKEN = 131_072;

function fitGguf(input: EngineInput, target: Target = CPU, rules: Partial<FitRules> = {}): Fit {
  const [artifact] = input.model.artifacts;
  if (artifact === undefined) throw new Error('the model has no artifact');
  return fit(input, { artifact, draft: null }, target, { ...RULES, ...rules });
}

function accepted(result: Fit): Extract<Fit, { isOk: true }> {
  if (!result.isOk) throw new Error(result.reason.because);
  return result;
}

function refused(result: Fit): Extract<Fit, { isOk: false }>['reason'] {
  if (result.isOk) throw new Error('it fits');
  return result.reason;
}

describe('fit', () => {
  it('takes 8,192 tokens of context for each of the slots when there is room', () => {
    const result = accepted(
      fitGguf(inputOf(machineWith(16 * GIB), 'dense-8b-gguf', { concurrency: 2 })),
    );
    expect(result.contextTokens).toBe(8192);
    expect(result.slots).toBe(2);
    expect(result.memory).toEqual({
      weightsBytes: WEIGHTS,
      kvCacheBytes: 2 * 8192 * KV_PER_TOKEN,
      overheadBytes: GIB,
      basis: 'formula',
    });
    expect(result.notes).toEqual([]);
  });

  it('halves a context nobody asked for, and says so with what is free', () => {
    const free = WEIGHTS + GIB + 4096 * KV_PER_TOKEN;
    const result = accepted(fitGguf(inputOf(machineWith(free), 'dense-8b-gguf')));
    expect(result.contextTokens).toBe(4096);
    expect(result.notes.map(({ code }) => code)).toEqual(['context-shrunk']);
    expect(result.notes[0]?.because).toContain('4,096 instead of 8,192');
  });

  it('stops halving at 2,048 tokens and takes fewer slots instead', () => {
    const free = WEIGHTS + GIB + 2048 * KV_PER_TOKEN;
    const result = accepted(
      fitGguf(inputOf(machineWith(free), 'dense-8b-gguf', { concurrency: 4 })),
    );
    expect([result.contextTokens, result.slots]).toEqual([2048, 1]);
    expect(result.notes.map(({ code }) => code)).toEqual(['context-shrunk', 'slots-shrunk']);
  });

  it('fits to the byte, and not with one byte less', () => {
    const free = WEIGHTS + GIB + 2048 * KV_PER_TOKEN;
    expect(fitGguf(inputOf(machineWith(free), 'dense-8b-gguf')).isOk).toBe(true);
    expect(fitGguf(inputOf(machineWith(free - 1), 'dense-8b-gguf')).isOk).toBe(false);
  });

  it('never shrinks an explicit context, and names the arithmetic and what would fit', () => {
    const free = WEIGHTS + GIB + 20_000 * KV_PER_TOKEN;
    const input = inputOf(machineWith(free), 'dense-8b-gguf', { contextTokens: 32_768 });
    expect(refused(fitGguf(input))).toEqual({
      code: 'memory-insufficient',
      because:
        'gguf Q4_K_M needs 9.5 GiB (weights 4.5 GiB + KV cache 4.0 GiB for 32,768 tokens + 1.0 GiB of its own) but 8.0 GiB is free in main memory',
      hint: '`--context 16384` would fit',
    });
  });

  it('suggests the bits per weight that would fit when no context does', () => {
    const input = inputOf(machineWith(4.5 * GIB), 'dense-8b-gguf');
    expect(refused(fitGguf(input)).hint).toBe(
      'a quantization of at most 3.4 bits per weight would fit',
    );
  });

  it('suggests the size of model that would fit when no quantization does', () => {
    const input = inputOf(machineWith(3 * GIB), 'dense-70b-gguf');
    expect(refused(fitGguf(input)).hint).toMatch(/^a model of at most [\d.]+ B parameters/);
  });

  it('says so when not even a small model fits', () => {
    expect(refused(fitGguf(inputOf(machineWith(GIB / 2), 'dense-8b-gguf'))).hint).toBe(
      'free some memory: not even a small model would fit',
    );
  });

  it('believes in unknown memory, and notes that it could not compute', () => {
    const result = accepted(fitGguf(inputOf(machineWith(null), 'dense-70b-gguf')));
    expect(result.notes.map(({ code }) => code)).toEqual(['memory-unknown']);
  });

  it('keeps the model’s own limit of context', () => {
    const result = accepted(fitGguf(inputOf(machineWith(16 * GIB), 'demo-135m')));
    expect(result.contextTokens).toBe(8192);
    const long = accepted(
      fitGguf(inputOf(machineWith(64 * GIB), 'dense-8b-gguf', { promptTokens: 30_000 })),
    );
    expect(long.contextTokens).toBe(30_464);
  });

  it('counts paged KV cache by what requests fill, but at least one full context', () => {
    const input = inputOf(machineWith(64 * GIB), 'dense-8b-gguf', { concurrency: 16 });
    const many = accepted(fitGguf(input, CPU, { kvCache: 'paged' }));
    expect(many.memory.kvCacheBytes).toBe(16 * (512 + 256) * KV_PER_TOKEN);
    const one = accepted(
      fitGguf(inputOf(machineWith(64 * GIB), 'dense-8b-gguf'), CPU, { kvCache: 'paged' }),
    );
    expect(one.memory.kvCacheBytes).toBe(8192 * KV_PER_TOKEN);
  });
});

describe('fit on cards', () => {
  const small = card({ memoryBytesTotal: 8 * GIB, memoryBytesFree: 8 * GIB });
  const cards = [small, { ...small, index: 1 }, { ...small, index: 2 }];
  const target: Target = { device: 'nvidia', cards };
  const input = inputOf(machineWith(64 * GIB), 'dense-32b-gguf');

  it('takes as few cards as the model needs', () => {
    const [first] = cards;
    const one = accepted(fitGguf(inputOf(machineWith(64 * GIB), 'dense-8b-gguf'), target));
    expect(one.target.cards).toEqual([first]);
  });

  it('spreads layers over all cards, counting its own memory on each', () => {
    const result = accepted(fitGguf(input, target));
    expect(result.target.cards).toHaveLength(3);
    expect(result.memory.overheadBytes).toBe(3 * GIB);
  });

  it('spreads heads only in equal parts', () => {
    // 40 heads go over 1, 2 or 4 cards, never over 3.
    expect(refused(fitGguf(input, target, { split: 'heads' })).code).toBe('memory-insufficient');
    const four: Target = { device: 'nvidia', cards: [...cards, { ...small, index: 3 }] };
    const result = accepted(fitGguf(input, four, { split: 'heads' }));
    expect(result.target.cards).toHaveLength(4);
  });

  it('does not spread heads over unequal cards', () => {
    const other = { ...small, index: 1, name: 'Another card' };
    const unequal: Target = { device: 'nvidia', cards: [small, other] };
    const many = inputOf(machineWith(64 * GIB), 'dense-8b-gguf', { contextTokens: 32_768 });
    expect(fitGguf(many, unequal, { split: 'heads' }).isOk).toBe(false);
    expect(fitGguf(many, unequal).isOk).toBe(true);
  });

  it('leaves layers in main memory when allowed to, and says how much', () => {
    const one: Target = { device: 'nvidia', cards: [small] };
    const result = accepted(fitGguf(input, one, { canOffload: true }));
    expect(result.notes.at(-1)?.code).toBe(OFFLOAD_CODE);
    expect(result.notes.at(-1)?.because).toContain('stays in main memory');
  });

  it('leaves nothing in main memory that is not there', () => {
    const one: Target = { device: 'nvidia', cards: [small] };
    const poor = inputOf(machineWith(4 * GIB), 'dense-32b-gguf');
    expect(fitGguf(poor, one, { canOffload: true }).isOk).toBe(false);
  });
});
