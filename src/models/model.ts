/**
 * Answers: what a model is, as a value: shape, attention, and the artifacts (files in one format)
 * it can be had in. Readers fill it from file headers; `memory.ts` computes with it.
 */

export const MODEL_SCHEMA = 'hyperllama.model/1';

export const WEIGHT_FORMATS = [
  'gguf',
  'safetensors',
  'awq',
  'gptq',
  'fp8',
  'mlx',
  'exl2',
  'exl3',
] as const;
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

export type ModelTask = 'chat' | 'completion' | 'embed' | 'rerank';

export interface ModelInfo {
  readonly schema: typeof MODEL_SCHEMA;
  /** As the user would name it: `smollm2:135m`, `hf:Qwen/Qwen3-8B`, `/models/x.gguf`. */
  readonly ref: string;
  /** For people: `SmolLM2-135M-Instruct`. */
  readonly name: string;
  /** The family's own word, `llama`, `qwen3`, `deepseek2`; GGUF's `general.architecture` or the config's `model_type`. */
  readonly architecture: string | null;
  readonly task: ModelTask | null;
  readonly hasVision: boolean | null;
  readonly parametersTotal: number | null;
  /** Parameters used for one token; equals the total for a dense model. */
  readonly parametersActive: number | null;
  readonly contextTokensMax: number | null;
  readonly hiddenSize: number | null;
  readonly attentionHeads: number | null;
  readonly vocabularySize: number | null;
  /** Layers by what they keep in the KV cache; `null` when the header does not say. */
  readonly attention: readonly AttentionGroup[] | null;
  /** Mixture of experts: `total` routed experts a layer, `used` for one token; `null` = dense. */
  readonly experts: { readonly total: number; readonly used: number } | null;
  readonly hasChatTemplate: boolean | null;
  /** The formats at hand (with a `path`) or obtainable (without). Never empty. */
  readonly artifacts: readonly Artifact[];
  /** Proposes tokens that this model only has to check (speculative decoding); absent = none. */
  readonly draft?: ModelInfo;
  /** What every answer is to be given with; absent = the model as it is. */
  readonly adapter?: Adapter;
}

/** Low-rank weights (LoRA) that are added to a model's own. Always on this machine. */
export interface Adapter {
  readonly name: string;
  /** GGUF file, or folder with adapter_config.json and adapter_model.safetensors. */
  readonly path: string;
  readonly format: 'gguf' | 'safetensors';
  /** Of the largest pair of matrices. */
  readonly rank: number;
  /** Of the model it was made for; `null` = it changes no layer that would say. */
  readonly hiddenSize: number | null;
  readonly bytesOnDisk: number;
  /** When its weights were last written, ms since 1970: one that is trained again has the same size. */
  readonly modifiedAtMs: number;
}

/** `layers` layers of one kind. Widths are elements per token, not bytes. */
export type AttentionGroup =
  | {
      readonly kind: 'full';
      readonly layers: number;
      readonly kvHeads: number;
      readonly headDimKey: number;
      readonly headDimValue: number;
    }
  | {
      /** Keeps the last `windowTokens` tokens only. */
      readonly kind: 'sliding';
      readonly layers: number;
      readonly kvHeads: number;
      readonly headDimKey: number;
      readonly headDimValue: number;
      readonly windowTokens: number;
    }
  /** Multi-head latent attention: `latentWidth` = kv_lora_rank + qk_rope_head_dim, once a layer. */
  | { readonly kind: 'mla'; readonly layers: number; readonly latentWidth: number }
  /** Linear attention or state space: a constant `stateElements` a layer and sequence, any length. */
  | { readonly kind: 'linear'; readonly layers: number; readonly stateElements: number };

export interface Artifact {
  readonly format: WeightFormat;
  /** `Q4_K_M`, `Q4_1`, `bf16`, `fp16`, `fp32`, `int4`, `4.0bpw`; `null` = mixed or unknown. */
  readonly quantization: string | null;
  /** File, or folder with config.json; `null` = not on this machine. */
  readonly path: string | null;
  /** `conversion`: made on this machine from another artifact of the same model. */
  readonly origin: 'file' | 'catalog' | 'conversion' | 'hub-cache' | 'hub';
  /** All bytes of the files, or the published size when they are not here. */
  readonly bytesOnDisk: number | null;
  readonly weights: WeightsIndex | null;
  readonly sha256: string | null;
}

/** From the tensor index, never from names. Bytes are those of the tensors as stored. */
export interface WeightsIndex {
  readonly bytesTotal: number;
  /** Read for every token whatever the routing: all but experts and the input embedding table. */
  readonly bytesDense: number;
  /** All routed experts of all layers together; 0 for a dense model. */
  readonly bytesExperts: number;
  /** The input embedding table when it is not also the output head: one row a token is read. */
  readonly bytesEmbedding: number;
  readonly parameters: number;
  /** 8 × bytesTotal ÷ parameters. */
  readonly bitsPerWeight: number;
}
