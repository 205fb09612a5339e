/**
 * Answers: the mixture-of-experts models of the catalog, Qwen's aside. Shapes as
 * in the publisher's config.json (`source`); `catalog.test.ts` proves that each makes exactly the
 * parameter count.
 */
import { DENSE, familyArtifact, type Family } from './catalog-family.ts';

import type { AttentionGroup } from './model.ts';

const GPT_OSS = {
  ...DENSE,
  architecture: 'gpt_oss',
  contextTokensMax: 131_072,
  hiddenSize: 2880,
  attentionHeads: 64,
  vocabularySize: 201_088,
} as const;

function gptOssAttention(layers: number): readonly AttentionGroup[] {
  const widths = { layers: layers / 2, kvHeads: 8, headDimKey: 64, headDimValue: 64 };
  return [
    { kind: 'sliding', ...widths, windowTokens: 128 },
    { kind: 'full', ...widths },
  ];
}

export const MIXTURE_FAMILIES: readonly Family[] = [
  {
    ...GPT_OSS,
    ref: 'gpt-oss:20b',
    name: 'gpt-oss-20b',
    parameters: 20_914_757_184,
    parametersExperts: 19_116_933_120,
    experts: { total: 32, used: 4 },
    attention: gptOssAttention(24),
    artifacts: [
      familyArtifact('openai/gpt-oss-20b', 'safetensors', 'mxfp4'),
      familyArtifact('ggml-org/gpt-oss-20b-GGUF', 'gguf', 'MXFP4'),
    ],
    source: 'openai/gpt-oss-20b',
  },
  {
    ...GPT_OSS,
    ref: 'gpt-oss:120b',
    name: 'gpt-oss-120b',
    parameters: 116_829_156_672,
    parametersExperts: 114_701_598_720,
    experts: { total: 128, used: 4 },
    attention: gptOssAttention(36),
    artifacts: [
      familyArtifact('openai/gpt-oss-120b', 'safetensors', 'mxfp4'),
      familyArtifact('ggml-org/gpt-oss-120b-GGUF', 'gguf', 'MXFP4'),
    ],
    source: 'openai/gpt-oss-120b',
  },
  {
    ...DENSE,
    ref: 'deepseek-v3',
    name: 'DeepSeek-V3',
    architecture: 'deepseek_v3',
    parameters: 671_026_419_200,
    parametersExperts: 653_908_770_816,
    experts: { total: 256, used: 8 },
    contextTokensMax: 163_840,
    hiddenSize: 7168,
    attentionHeads: 128,
    vocabularySize: 129_280,
    attention: [{ kind: 'mla', layers: 61, latentWidth: 576 }],
    artifacts: [
      familyArtifact('deepseek-ai/DeepSeek-V3', 'fp8', 'fp8'),
      familyArtifact('unsloth/DeepSeek-V3-GGUF', 'gguf', 'Q4_K_M'),
      familyArtifact('cognitivecomputations/DeepSeek-V3-AWQ', 'awq', 'awq'),
    ],
    source: 'deepseek-ai/DeepSeek-V3',
  },
];
