import fc from '../../support/property.ts';
import { describe, expect, it } from 'vitest';

import { GIB } from '../../../src/base/units.ts';
import { findInCatalog, REFERENCE_MODEL } from '../../../src/models/catalog.ts';
import { familyModel } from '../../../src/models/catalog-family.ts';
import {
  bytesPerDecodeStep,
  expertShareTouched,
  kvCacheBytes,
  kvCacheBytesPerToken,
  weightsBytes,
} from '../../../src/models/memory.ts';
import type { Artifact, AttentionGroup, ModelInfo } from '../../../src/models/model.ts';

const FP16 = 2;
const LONG = { contextTokens: 131_072, sequences: 1, bytesPerElement: FP16 } as const;

function family(name: string, size: string | null): ModelInfo {
  const match = findInCatalog({ kind: 'short', name, size, variant: null });
  if (match?.kind !== 'family') throw new Error(`no family ${name}`);
  return familyModel(match.family);
}

function artifactOf(model: ModelInfo, format: Artifact['format']): Artifact {
  const artifact = model.artifacts.find((candidate) => candidate.format === format);
  if (artifact === undefined) throw new Error(`${model.name} has no ${format}`);
  return artifact;
}

function withAttention(attention: readonly AttentionGroup[] | null): ModelInfo {
  return { ...REFERENCE_MODEL, attention };
}

describe('kvCacheBytes', () => {
  it.each([
    ['llama3.1', '8b', 16.0],
    ['qwen3', '30b-a3b', 12.0],
    ['gemma3', '27b', 10.4],
  ])('gives %s:%s %d GiB for 131,072 tokens in fp16', (name, size, gib) => {
    const bytes = kvCacheBytes(family(name, size), LONG) ?? 0;
    expect((bytes / GIB).toFixed(1)).toBe(gib.toFixed(1));
  });

  it('gives DeepSeek-V3 70,272 bytes a token by its compressed cache', () => {
    expect(kvCacheBytesPerToken(family('deepseek-v3', null), FP16)).toBe(70_272);
  });

  it('stops growing past the window in sliding layers only', () => {
    const model = withAttention([
      { kind: 'sliding', layers: 3, kvHeads: 1, headDimKey: 8, headDimValue: 8, windowTokens: 100 },
      { kind: 'full', layers: 1, kvHeads: 1, headDimKey: 8, headDimValue: 8 },
    ]);
    const at = (contextTokens: number): number =>
      kvCacheBytes(model, { ...LONG, contextTokens }) ?? 0;
    expect(at(100)).toBe(4 * 100 * 16 * FP16);
    expect(at(101) - at(100)).toBe(16 * FP16);
  });

  it('keeps recurrent state constant in the context, and in float32 at least', () => {
    const model = withAttention([{ kind: 'linear', layers: 5, stateElements: 1000 }]);
    const bytes = kvCacheBytes(model, { contextTokens: 1, sequences: 3, bytesPerElement: 1 });
    expect(bytes).toBe(5 * 1000 * 4 * 3);
    expect(kvCacheBytes(model, { ...LONG, sequences: 3 })).toBe(bytes);
  });

  it('says null where the header does not say what the layers keep', () => {
    expect(kvCacheBytes(withAttention(null), LONG)).toBeNull();
    expect(kvCacheBytesPerToken(withAttention(null), FP16)).toBeNull();
  });

  it('is linear in the sequences and never shrinks with the context', () => {
    const count = fc.integer({ min: 1, max: 128 });
    const widths = { layers: count, kvHeads: count, headDimKey: count, headDimValue: count };
    const group: fc.Arbitrary<AttentionGroup> = fc.oneof(
      fc.record({ kind: fc.constant('full' as const), ...widths }),
      fc.record({ kind: fc.constant('sliding' as const), ...widths, windowTokens: count }),
      fc.record({ kind: fc.constant('mla' as const), layers: count, latentWidth: count }),
      fc.record({ kind: fc.constant('linear' as const), layers: count, stateElements: count }),
    );
    fc.assert(
      fc.property(fc.array(group), count, count, (attention, contextTokens, sequences) => {
        const model = withAttention(attention);
        const one = kvCacheBytes(model, { contextTokens, sequences: 1, bytesPerElement: 2 }) ?? -1;
        const all = kvCacheBytes(model, { contextTokens, sequences, bytesPerElement: 2 });
        const longer = kvCacheBytes(model, {
          contextTokens: contextTokens + 1,
          sequences: 1,
          bytesPerElement: 2,
        });
        expect(all).toBe(one * sequences);
        expect(longer).toBeGreaterThanOrEqual(one);
      }),
    );
  });
});

describe('bytesPerDecodeStep', () => {
  const shape = { batch: 1, contextTokens: 0, bytesPerElement: FP16 };

  it('reads all weights of a tied dense model once, whatever the batch', () => {
    const model = family('qwen3', '0.6b');
    const artifact = artifactOf(model, 'safetensors');
    expect(bytesPerDecodeStep(model, artifact, shape)).toBe(weightsBytes(artifact));
    expect(bytesPerDecodeStep(model, artifact, { ...shape, batch: 32 })).toBe(
      weightsBytes(artifact),
    );
  });

  it('reads one row of an embedding table that is not the output head, for each sequence', () => {
    const model = family('llama3.1', '8b');
    const artifact = artifactOf(model, 'safetensors');
    const rowBytes = 4096 * 2;
    const dense = artifact.weights?.bytesDense ?? 0;
    expect(bytesPerDecodeStep(model, artifact, shape)).toBe(dense + rowBytes);
    expect(bytesPerDecodeStep(model, artifact, { ...shape, batch: 8 })).toBe(dense + 8 * rowBytes);
  });

  it('reads the used share of the experts at batch 1 and nearly all at batch 256', () => {
    const model = family('qwen3', '30b-a3b');
    expect(expertShareTouched(model, 1)).toBeCloseTo(8 / 128, 12);
    expect(expertShareTouched(model, 256)).toBeGreaterThan(0.999_999);
    const artifact = artifactOf(model, 'safetensors');
    const one = bytesPerDecodeStep(model, artifact, shape) ?? 0;
    // 3.3 billion active parameters less the embedding table that only one row is read of.
    expect(one / 2e9).toBeCloseTo(3.04, 1);
  });

  it('adds the cache of every sequence', () => {
    const model = family('llama3.1', '8b');
    const artifact = artifactOf(model, 'gguf');
    const empty = bytesPerDecodeStep(model, artifact, { ...shape, batch: 4 }) ?? 0;
    const filled = bytesPerDecodeStep(model, artifact, { ...shape, batch: 4, contextTokens: 1000 });
    expect(filled).toBe(empty + 4 * 1000 * (kvCacheBytesPerToken(model, FP16) ?? 0));
  });

  it('says null without a tensor index', () => {
    const artifact = { ...artifactOf(REFERENCE_MODEL, 'gguf'), weights: null };
    expect(bytesPerDecodeStep(REFERENCE_MODEL, artifact, shape)).toBeNull();
    expect(weightsBytes({ ...artifact, bytesOnDisk: 7 })).toBe(7);
    expect(weightsBytes({ ...artifact, bytesOnDisk: null })).toBeNull();
  });
});
