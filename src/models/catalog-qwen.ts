/**
 * Answers: the Qwen3 models of the catalog. Shapes as
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

const QWEN3 = {
  ...DENSE,
  architecture: 'qwen3',
  contextTokensMax: 40_960,
  vocabularySize: 151_936,
} as const;

function qwen3Artifacts(size: string): readonly FamilyArtifact[] {
  return [
    familyArtifact(`Qwen/Qwen3-${size}`, 'safetensors', 'bf16'),
    familyArtifact(`Qwen/Qwen3-${size}-GGUF`, 'gguf', 'Q4_K_M'),
    familyArtifact(`Qwen/Qwen3-${size}-GGUF`, 'gguf', 'Q8_0'),
    familyArtifact(`Qwen/Qwen3-${size}-AWQ`, 'awq', 'awq'),
    familyArtifact(`Qwen/Qwen3-${size}-FP8`, 'fp8', 'fp8'),
    familyArtifact(`Qwen/Qwen3-${size}-MLX-4bit`, 'mlx', 'mlx4'),
  ];
}

export const QWEN_FAMILIES: readonly Family[] = [
  {
    ...QWEN3,
    ref: 'qwen3:0.6b',
    name: 'Qwen3-0.6B',
    parameters: 596_049_920,
    isTied: true,
    hiddenSize: 1024,
    attentionHeads: 16,
    attention: [fullAttention(28, 8, 128)],
    artifacts: [
      familyArtifact('Qwen/Qwen3-0.6B', 'safetensors', 'bf16'),
      familyArtifact('Qwen/Qwen3-0.6B-GGUF', 'gguf', 'Q8_0'),
      familyArtifact('Qwen/Qwen3-0.6B-FP8', 'fp8', 'fp8'),
      familyArtifact('Qwen/Qwen3-0.6B-MLX-4bit', 'mlx', 'mlx4'),
    ],
    source: 'Qwen/Qwen3-0.6B',
  },
  {
    ...QWEN3,
    ref: 'qwen3:4b',
    name: 'Qwen3-4B',
    parameters: 4_022_468_096,
    isTied: true,
    hiddenSize: 2560,
    attentionHeads: 32,
    attention: [fullAttention(36, 8, 128)],
    artifacts: qwen3Artifacts('4B'),
    source: 'Qwen/Qwen3-4B',
  },
  {
    ...QWEN3,
    ref: 'qwen3:8b',
    name: 'Qwen3-8B',
    parameters: 8_190_735_360,
    hiddenSize: 4096,
    attentionHeads: 32,
    attention: [fullAttention(36, 8, 128)],
    artifacts: [...qwen3Artifacts('8B'), familyArtifact('turboderp/Qwen3-8B-exl3', 'exl3', 'exl3')],
    source: 'Qwen/Qwen3-8B',
  },
  {
    ...QWEN3,
    ref: 'qwen3:32b',
    name: 'Qwen3-32B',
    parameters: 32_762_123_264,
    hiddenSize: 5120,
    attentionHeads: 64,
    attention: [fullAttention(64, 8, 128)],
    artifacts: [
      ...qwen3Artifacts('32B'),
      familyArtifact('turboderp/Qwen3-32B-exl3', 'exl3', 'exl3'),
    ],
    source: 'Qwen/Qwen3-32B',
  },
  {
    ...QWEN3,
    ref: 'qwen3:30b-a3b',
    name: 'Qwen3-30B-A3B',
    architecture: 'qwen3_moe',
    parameters: 30_532_122_624,
    parametersExperts: 28_991_029_248,
    experts: { total: 128, used: 8 },
    hiddenSize: 2048,
    attentionHeads: 32,
    attention: [fullAttention(48, 4, 128)],
    artifacts: [
      familyArtifact('Qwen/Qwen3-30B-A3B', 'safetensors', 'bf16'),
      familyArtifact('Qwen/Qwen3-30B-A3B-GGUF', 'gguf', 'Q4_K_M'),
      familyArtifact('Qwen/Qwen3-30B-A3B-GGUF', 'gguf', 'Q8_0'),
      familyArtifact('Qwen/Qwen3-30B-A3B-GPTQ-Int4', 'gptq', 'gptq'),
      familyArtifact('Qwen/Qwen3-30B-A3B-FP8', 'fp8', 'fp8'),
      familyArtifact('Qwen/Qwen3-30B-A3B-MLX-4bit', 'mlx', 'mlx4'),
      familyArtifact('turboderp/Qwen3-30B-A3B-exl3', 'exl3', 'exl3'),
    ],
    source: 'Qwen/Qwen3-30B-A3B',
  },
];
