/**
 * Answers: the embedding and reranking models of the catalog. Shapes as
 * in the publisher's config.json (`source`); `catalog.test.ts` proves that each makes exactly the
 * parameter count.
 */
import { DENSE, familyArtifact, type Family } from './catalog-family.ts';

export const POOLING_FAMILIES: readonly Family[] = [
  {
    ...DENSE,
    ref: 'bge-small-en-v1.5',
    name: 'bge-small-en-v1.5',
    architecture: 'bert',
    task: 'embed',
    parameters: 33_360_000,
    contextTokensMax: 512,
    hiddenSize: 384,
    attentionHeads: 12,
    vocabularySize: 30_522,
    attention: [],
    artifacts: [
      familyArtifact('BAAI/bge-small-en-v1.5', 'safetensors', 'fp32'),
      familyArtifact('CompendiumLabs/bge-small-en-v1.5-gguf', 'gguf', 'Q8_0'),
    ],
    source: 'BAAI/bge-small-en-v1.5',
  },
  {
    ...DENSE,
    ref: 'bge-reranker-v2-m3',
    name: 'bge-reranker-v2-m3',
    architecture: 'xlm-roberta',
    task: 'rerank',
    parameters: 567_755_777,
    contextTokensMax: 8192,
    hiddenSize: 1024,
    attentionHeads: 16,
    vocabularySize: 250_002,
    attention: [],
    artifacts: [
      familyArtifact('BAAI/bge-reranker-v2-m3', 'safetensors', 'fp32'),
      familyArtifact('gpustack/bge-reranker-v2-m3-GGUF', 'gguf', 'Q8_0'),
    ],
    source: 'BAAI/bge-reranker-v2-m3',
  },
];
