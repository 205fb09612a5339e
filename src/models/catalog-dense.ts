/**
 * Answers: the other dense chat models of the catalog, and the reference shape. Shapes as
 * in the publisher's config.json (`source`); `catalog.test.ts` proves that each makes exactly the
 * parameter count.
 */
import {
  DENSE,
  familyArtifact,
  fullAttention,
  type Family,
  type FamilyArtifact,
} from './catalog-family.ts';

const LLAMA31 = {
  ...DENSE,
  architecture: 'llama',
  contextTokensMax: 131_072,
  vocabularySize: 128_256,
} as const;

function llamaArtifacts(size: string): readonly FamilyArtifact[] {
  return [
    familyArtifact(`meta-llama/Llama-3.1-${size}-Instruct`, 'safetensors', 'bf16'),
    familyArtifact(`bartowski/Meta-Llama-3.1-${size}-Instruct-GGUF`, 'gguf', 'Q4_K_M'),
    familyArtifact(`bartowski/Meta-Llama-3.1-${size}-Instruct-GGUF`, 'gguf', 'Q8_0'),
    familyArtifact(`hugging-quants/Meta-Llama-3.1-${size}-Instruct-AWQ-INT4`, 'awq', 'awq'),
    familyArtifact(`RedHatAI/Meta-Llama-3.1-${size}-Instruct-FP8`, 'fp8', 'fp8'),
    familyArtifact(`mlx-community/Meta-Llama-3.1-${size}-Instruct-4bit`, 'mlx', 'mlx4'),
  ];
}

export const DENSE_FAMILIES: readonly Family[] = [
  {
    ...LLAMA31,
    ref: 'llama3.1:8b',
    name: 'Llama-3.1-8B-Instruct',
    parameters: 8_030_261_248,
    hiddenSize: 4096,
    attentionHeads: 32,
    attention: [fullAttention(32, 8, 128)],
    artifacts: [
      ...llamaArtifacts('8B'),
      familyArtifact('turboderp/Llama-3.1-8B-Instruct-exl3', 'exl3', 'exl3'),
    ],
    source: 'meta-llama/Llama-3.1-8B-Instruct',
  },
  {
    ...LLAMA31,
    ref: 'llama3.1:70b',
    name: 'Llama-3.1-70B-Instruct',
    parameters: 70_553_706_496,
    hiddenSize: 8192,
    attentionHeads: 64,
    attention: [fullAttention(80, 8, 128)],
    artifacts: llamaArtifacts('70B'),
    source: 'meta-llama/Llama-3.1-70B-Instruct',
  },
  {
    ...DENSE,
    ref: 'gemma3:27b',
    name: 'gemma-3-27b-it',
    architecture: 'gemma3',
    hasVision: true,
    parameters: 27_432_406_640,
    isTied: true,
    contextTokensMax: 131_072,
    hiddenSize: 5376,
    attentionHeads: 32,
    vocabularySize: 262_208,
    attention: [
      {
        kind: 'sliding',
        layers: 52,
        kvHeads: 16,
        headDimKey: 128,
        headDimValue: 128,
        windowTokens: 1024,
      },
      fullAttention(10, 16, 128),
    ],
    artifacts: [
      familyArtifact('google/gemma-3-27b-it', 'safetensors', 'bf16'),
      familyArtifact('ggml-org/gemma-3-27b-it-GGUF', 'gguf', 'Q4_K_M'),
      familyArtifact('google/gemma-3-27b-it-qat-q4_0-gguf', 'gguf', 'Q4_0'),
      familyArtifact('mlx-community/gemma-3-27b-it-4bit', 'mlx', 'mlx4'),
      familyArtifact('turboderp/gemma-3-27b-it-exl3', 'exl3', 'exl3'),
    ],
    source: 'google/gemma-3-27b-it',
  },
  {
    ...DENSE,
    ref: 'mistral-small:24b',
    name: 'Mistral-Small-24B-Instruct-2501',
    architecture: 'mistral',
    parameters: 23_572_403_200,
    contextTokensMax: 32_768,
    hiddenSize: 5120,
    attentionHeads: 32,
    vocabularySize: 131_072,
    attention: [fullAttention(40, 8, 128)],
    artifacts: [
      familyArtifact('mistralai/Mistral-Small-24B-Instruct-2501', 'safetensors', 'bf16'),
      familyArtifact('bartowski/Mistral-Small-24B-Instruct-2501-GGUF', 'gguf', 'Q4_K_M'),
      familyArtifact('stelterlab/Mistral-Small-24B-Instruct-2501-AWQ', 'awq', 'awq'),
      familyArtifact('mlx-community/Mistral-Small-24B-Instruct-2501-4bit', 'mlx', 'mlx4'),
    ],
    source: 'mistralai/Mistral-Small-24B-Instruct-2501',
  },
];

/** The shape that `info` asks the decision about; nobody's model, so that no name misleads. */
export const REFERENCE_FAMILY: Family = {
  ...LLAMA31,
  ref: 'reference-dense-8b',
  name: 'reference dense 8B (every format)',
  parameters: 8_030_261_248,
  hiddenSize: 4096,
  attentionHeads: 32,
  attention: [fullAttention(32, 8, 128)],
  artifacts: [
    familyArtifact('', 'gguf', 'Q4_K_M'),
    familyArtifact('', 'safetensors', 'bf16'),
    familyArtifact('', 'awq', 'awq'),
    familyArtifact('', 'gptq', 'gptq'),
    familyArtifact('', 'fp8', 'fp8'),
    familyArtifact('', 'mlx', 'mlx4'),
    familyArtifact('', 'exl2', 'exl2'),
    familyArtifact('', 'exl3', 'exl3'),
  ],
  source: 'meta-llama/Llama-3.1-8B-Instruct',
};
