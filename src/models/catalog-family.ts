/**
 * Answers: what is known of a model before any file is here: a family record ties one logical
 * model to its artifacts in every format, and sizes follow from shape and bits per weight.
 */
import {
  MODEL_SCHEMA,
  type Artifact,
  type AttentionGroup,
  type ModelInfo,
  type ModelTask,
  type WeightFormat,
  type WeightsIndex,
} from './model.ts';

export interface Family {
  /** `qwen3:8b` */
  readonly ref: string;
  readonly name: string;
  readonly architecture: string;
  readonly task: ModelTask;
  readonly hasVision: boolean;
  /** All of them, as the publisher's files count. */
  readonly parameters: number;
  /** In routed experts; 0 for a dense model. */
  readonly parametersExperts: number;
  /** The output head is the embedding table. */
  readonly isTied: boolean;
  readonly contextTokensMax: number;
  readonly hiddenSize: number;
  readonly attentionHeads: number;
  readonly vocabularySize: number;
  readonly attention: readonly AttentionGroup[];
  readonly experts: { readonly total: number; readonly used: number } | null;
  readonly artifacts: readonly FamilyArtifact[];
  /** Where the numbers stand: the config.json of this repository. */
  readonly source: string;
}

export interface FamilyArtifact {
  readonly repo: string;
  readonly format: WeightFormat;
  readonly quantization: string;
  readonly bits: WeightBits;
}

/** Bits per weight by part: quantizers treat the tables at both ends apart from the layers. */
export interface WeightBits {
  readonly layers: number;
  readonly experts: number;
  readonly embedding: number;
  readonly head: number;
}

const same = (bits: number): WeightBits => ({
  layers: bits,
  experts: bits,
  embedding: bits,
  head: bits,
});

/** Tables at 16 bits: the usual manner of AWQ, GPTQ and FP8 checkpoints. */
const plainTables = (bits: number): WeightBits => ({ ...same(bits), embedding: 16, head: 16 });

export type BitsName =
  | 'fp32'
  | 'bf16'
  | 'fp16'
  | 'Q8_0'
  | 'Q4_0'
  | 'Q4_K_M'
  | 'awq'
  | 'gptq'
  | 'fp8'
  | 'mlx4'
  | 'exl2'
  | 'exl3'
  | 'mxfp4'
  | 'MXFP4';

/**
 * Bits per weight. GGUF K-quants mix types: 4.81 for the layers of Q4_K_M is what published files
 * of 8B to 671B have (Qwen3-8B: 5.03 GB); tables are Q4_K and Q6_K there. AWQ and GPTQ
 * with groups of 128 add a scale and a zero point, MLX with groups of 64 a scale and a bias.
 */
const BITS: Readonly<Record<BitsName, WeightBits>> = {
  fp32: same(32),
  bf16: same(16),
  fp16: same(16),
  Q8_0: same(8.5),
  Q4_0: { ...same(4.5), head: 6.5625 },
  Q4_K_M: { ...same(4.81), embedding: 4.5, head: 6.5625 },
  awq: plainTables(4.16),
  gptq: plainTables(4.16),
  fp8: plainTables(8),
  mlx4: same(4.5),
  exl2: { ...same(4), embedding: 16, head: 6 },
  exl3: { ...same(4), embedding: 16, head: 6 },
  /** As published for gpt-oss: experts of 32 weights and a shared scale, all else 16 bits. */
  mxfp4: { ...same(16), experts: 4.25 },
  /** The same in GGUF, with 8-bit blocks around the experts. */
  MXFP4: { ...same(8.5), experts: 4.25 },
};

/** Where the word for people differs from the row of the table. */
const QUANTIZATION_NAMES: Readonly<Partial<Record<BitsName, string>>> = {
  awq: 'int4',
  gptq: 'int4',
  mlx4: '4bit',
  exl2: '4.0bpw',
  exl3: '4.0bpw',
};

export function familyArtifact(repo: string, format: WeightFormat, bits: BitsName): FamilyArtifact {
  return { repo, format, quantization: QUANTIZATION_NAMES[bits] ?? bits, bits: BITS[bits] };
}

/** Layers that see the whole context, keys and values equally wide. */
export function fullAttention(layers: number, kvHeads: number, headDim: number): AttentionGroup {
  return { kind: 'full', layers, kvHeads, headDimKey: headDim, headDimValue: headDim };
}

type DenseDefaults = Pick<
  Family,
  'task' | 'hasVision' | 'parametersExperts' | 'experts' | 'isTied'
>;

/** What the records of dense chat models have in common. */
export const DENSE: DenseDefaults = {
  task: 'chat',
  hasVision: false,
  parametersExperts: 0,
  experts: null,
  isTied: false,
};

/** The description of a family none of whose files is here. */
export function familyModel(family: Family): ModelInfo {
  const idleShare = family.experts === null ? 0 : 1 - family.experts.used / family.experts.total;
  return {
    schema: MODEL_SCHEMA,
    ref: family.ref,
    name: family.name,
    architecture: family.architecture,
    task: family.task,
    hasVision: family.hasVision,
    parametersTotal: family.parameters,
    parametersActive: Math.round(family.parameters - family.parametersExperts * idleShare),
    contextTokensMax: family.contextTokensMax,
    hiddenSize: family.hiddenSize,
    attentionHeads: family.attentionHeads,
    vocabularySize: family.vocabularySize,
    attention: family.attention,
    experts: family.experts,
    hasChatTemplate: family.task === 'chat',
    artifacts: family.artifacts.map((artifact) => hubArtifact(family, artifact)),
  };
}

/** One artifact that is not here; its weights are computed, its size on disk is not known. */
export function hubArtifact(family: Family, artifact: FamilyArtifact): Artifact {
  return {
    format: artifact.format,
    quantization: artifact.quantization,
    path: null,
    origin: 'hub',
    bytesOnDisk: null,
    weights: familyWeights(family, artifact.bits),
    sha256: null,
  };
}

function familyWeights(family: Family, bits: WeightBits): WeightsIndex {
  const table = family.vocabularySize * family.hiddenSize;
  const isLookUp = family.task !== 'chat' && family.task !== 'completion';
  const tables = family.isTied || isLookUp ? 1 : 2;
  const layers = family.parameters - family.parametersExperts - table * tables;
  const bytesExperts = bytesAt(family.parametersExperts, bits.experts);
  const bytesEmbedding = family.isTied ? 0 : bytesAt(table, bits.embedding);
  const bytesHead = isLookUp ? 0 : bytesAt(table, bits.head);
  const bytesDense = bytesAt(layers, bits.layers) + bytesHead;
  const bytesTotal = bytesDense + bytesExperts + bytesEmbedding;
  return {
    bytesTotal,
    bytesDense,
    bytesExperts,
    bytesEmbedding,
    parameters: family.parameters,
    bitsPerWeight: (8 * bytesTotal) / family.parameters,
  };
}

function bytesAt(parameters: number, bits: number): number {
  return Math.round((parameters * bits) / 8);
}
