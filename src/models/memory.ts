/**
 * Answers: how many bytes a model's weights and KV cache take, and how many one decode step reads.
 * Pure arithmetic over a description; what the description does not say comes back as `null`.
 */
import type { Artifact, AttentionGroup, ModelInfo } from './model.ts';

export interface KvCacheShape {
  /** Tokens each sequence holds. */
  readonly contextTokens: number;
  /** Sequences held at once. */
  readonly sequences: number;
  /** Of the cache's number format: 2 for fp16, 1 for q8_0 and fp8 (their scales not counted). */
  readonly bytesPerElement: number;
}

export interface DecodeShape {
  /** Sequences that each get one token in this step. */
  readonly batch: number;
  /** Tokens each of them has in the cache. */
  readonly contextTokens: number;
  readonly bytesPerElement: number;
}

/**
 * Recurrent state is not quantized with the cache: llama.cpp keeps it in float32, others in the
 * model's own format or float32. The larger one is assumed.
 */
const STATE_BYTES_PER_ELEMENT_MIN = 4;

/** Bytes of a full KV cache, recurrent state included; `null` when the attention is unknown. */
export function kvCacheBytes(model: ModelInfo, shape: KvCacheShape): number | null {
  if (model.attention === null) return null;
  const { contextTokens, bytesPerElement } = shape;
  const bytes = model.attention.reduce((sum, group) => {
    return sum + groupTokenBytes(group, bytesPerElement) * tokensKept(group, contextTokens);
  }, 0);
  return (bytes + stateBytes(model.attention, bytesPerElement)) * shape.sequences;
}

/**
 * Bytes that one more token adds while the context is shorter than every sliding window; past a
 * window those layers add nothing. `null` when the attention is unknown.
 */
export function kvCacheBytesPerToken(model: ModelInfo, bytesPerElement: number): number | null {
  if (model.attention === null) return null;
  return model.attention.reduce((sum, group) => sum + groupTokenBytes(group, bytesPerElement), 0);
}

/** Bytes the weights take in memory: from the tensor index, else the size of the files. */
export function weightsBytes(artifact: Artifact): number | null {
  return artifact.weights?.bytesTotal ?? artifact.bytesOnDisk;
}

/**
 * Bytes read from memory for one decode step: dense weights once, one embedding row a sequence,
 * the experts that this many tokens are expected to touch, and the KV cache of each sequence.
 */
export function bytesPerDecodeStep(
  model: ModelInfo,
  artifact: Artifact,
  shape: DecodeShape,
): number | null {
  const { weights } = artifact;
  const kv = kvCacheBytes(model, { ...shape, sequences: shape.batch });
  if (weights === null || kv === null) return null;
  const vocabularySize = model.vocabularySize ?? 0;
  const rowBytes = vocabularySize > 0 ? weights.bytesEmbedding / vocabularySize : 0;
  const expertBytes = weights.bytesExperts * expertShareTouched(model, shape.batch);
  return weights.bytesDense + rowBytes * shape.batch + expertBytes + kv;
}

/**
 * Expected share of the experts that `batch` tokens touch, 0–1, when each token chooses `used` of
 * `total` evenly and on its own. 1 for a dense model, whose expert bytes are 0 anyway.
 */
export function expertShareTouched(model: ModelInfo, batch: number): number {
  if (model.experts === null) return 1;
  return 1 - (1 - model.experts.used / model.experts.total) ** batch;
}

function groupTokenBytes(group: AttentionGroup, bytesPerElement: number): number {
  return group.layers * tokenWidth(group) * bytesPerElement;
}

/** Elements that one token takes in one layer. */
function tokenWidth(group: AttentionGroup): number {
  if (group.kind === 'linear') return 0;
  if (group.kind === 'mla') return group.latentWidth;
  return group.kvHeads * (group.headDimKey + group.headDimValue);
}

function tokensKept(group: AttentionGroup, contextTokens: number): number {
  return group.kind === 'sliding' ? Math.min(contextTokens, group.windowTokens) : contextTokens;
}

function stateBytes(attention: readonly AttentionGroup[], bytesPerElement: number): number {
  const elements = attention.reduce(
    (sum, group) => sum + (group.kind === 'linear' ? group.layers * group.stateElements : 0),
    0,
  );
  return elements * Math.max(bytesPerElement, STATE_BYTES_PER_ELEMENT_MIN);
}
