/**
 * Answers: how a model's bytes are spread: dense weights, routed experts, embedding table. From
 * the tensors' names and sizes, for GGUF's names and for those of safetensors alike.
 */
import type { WeightsIndex } from './model.ts';

export interface WeightTensor {
  readonly name: string;
  readonly bytes: number;
  /** Weights it stands for; 0 for scales and other side tables of a quantized weight. */
  readonly parameters: number;
}

export interface WeightsSummary {
  readonly index: WeightsIndex;
  readonly parametersExperts: number;
}

/** Routed experts only: `shared_experts.` and GGUF's `_shexp` are read for every token. */
const EXPERT = /(?:\.experts\.|\.ffn_[a-z_]+_exps\.)/;
const EMBEDDING =
  /^(?:token_embd\.|per_layer_token_embd\.|(?:.*\.)?(?:embed_tokens|embed_tokens_per_layer|wte|word_embeddings|embed_in|tok_embeddings|backbone\.embeddings?|rwkv\.embeddings)\.)/;
const OUTPUT_HEAD = /^(?:output\.|(?:.*\.)?(?:lm_head|embed_out)\.)/;

/** `isEncoder`: no output head at all, so the embedding table serves look-ups only. */
export function summariseWeights(
  tensors: readonly WeightTensor[],
  isEncoder: boolean,
): WeightsSummary {
  const isTied = !isEncoder && !tensors.some((tensor) => OUTPUT_HEAD.test(tensor.name));
  const sums = { total: 0, experts: 0, embedding: 0, parameters: 0, parametersExperts: 0 };
  for (const { name, bytes, parameters } of tensors) {
    sums.total += bytes;
    sums.parameters += parameters;
    if (EXPERT.test(name)) {
      sums.experts += bytes;
      sums.parametersExperts += parameters;
    } else if (!isTied && EMBEDDING.test(name)) {
      sums.embedding += bytes;
    }
  }
  return {
    index: {
      bytesTotal: sums.total,
      bytesDense: sums.total - sums.experts - sums.embedding,
      bytesExperts: sums.experts,
      bytesEmbedding: sums.embedding,
      parameters: sums.parameters,
      bitsPerWeight: sums.parameters === 0 ? 0 : (8 * sums.total) / sums.parameters,
    },
    parametersExperts: sums.parametersExperts,
  };
}

/** Parameters one token uses: all dense ones and its share of the routed experts. */
export function parametersActive(
  summary: WeightsSummary,
  experts: { readonly total: number; readonly used: number } | null,
): number {
  const { parameters } = summary.index;
  if (experts === null) return parameters;
  const idleShare = 1 - experts.used / experts.total;
  return Math.round(parameters - summary.parametersExperts * idleShare);
}
