/**
 * Answers: which model a folder with config.json holds: its description from the config, the
 * tensors of its safetensors files, and which companions lie beside them.
 */
import { configAttention } from './config-layers.ts';
import { packingOf } from './config-format.ts';
import { configKeys, type ConfigKeys } from './config-keys.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { MODEL_SCHEMA, type ModelInfo, type ModelTask } from './model.ts';
import type { SafetensorsTensor } from './safetensors.ts';
import { dominantType, weightTensors } from './safetensors-weights.ts';
import { parametersActive, summariseWeights } from './weights.ts';

export interface ConfigFolder {
  readonly path: string;
  readonly config: JsonObject;
  readonly tensors: readonly SafetensorsTensor[];
  readonly bytesOnDisk: number;
  readonly hasChatTemplate: boolean;
  /** Files of sentence-transformers, which say how token vectors become one. */
  readonly hasPooling: boolean;
}

/** Families that read the whole text at once: no decoding and so no KV cache. */
const ENCODERS =
  /^(?:bert|roberta|xlm-roberta|xlm-roberta-xl|distilbert|camembert|electra|mpnet|deberta|deberta-v2|albert|nomic_bert|modernbert|gte|new|eurobert|t5encoder)$/;

/** `ref` and `name` are the caller's: a folder's name says little about a cache's snapshot. */
export function configModel(
  folder: ConfigFolder,
  label: { readonly ref: string; readonly name: string },
): ModelInfo {
  const { config } = folder;
  const keys = configKeys(config);
  const modelType = typeof config['model_type'] === 'string' ? config['model_type'] : null;
  const isEncoder =
    ENCODERS.test(modelType ?? '') || (config['is_decoder'] === false && isPooled(config));
  const packing = packingOf(config);
  const experts = expertsOf(keys);
  const summary = summariseWeights(weightTensors(folder.tensors, packing), isEncoder);
  const task = taskOf(folder, isEncoder);
  return {
    schema: MODEL_SCHEMA,
    ...label,
    architecture: modelType,
    task,
    hasVision: isJsonObject(config['vision_config']) || isJsonObject(config['visual']),
    parametersTotal: summary.index.parameters,
    parametersActive: parametersActive(summary, experts),
    contextTokensMax: keys.number(
      'max_position_embeddings',
      'n_positions',
      'seq_length',
      'max_seq_len',
    ),
    hiddenSize: keys.number('hidden_size', 'n_embd', 'd_model'),
    attentionHeads: keys.number('num_attention_heads', 'n_head', 'n_heads'),
    vocabularySize: keys.number('vocab_size', 'padded_vocab_size'),
    attention: isEncoder ? [] : configAttention(keys),
    experts,
    hasChatTemplate: folder.hasChatTemplate,
    artifacts: [
      {
        format: packing.format,
        quantization: packing.quantization ?? dominantType(folder.tensors),
        path: folder.path,
        origin: 'file',
        bytesOnDisk: folder.bytesOnDisk,
        weights: summary.index,
        sha256: null,
      },
    ],
  };
}

function architecturesOf(config: JsonObject): readonly string[] {
  const list = config['architectures'];
  return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : [];
}

/** `BertModel`, `XLMRobertaModel`: the bare network, without a head that writes text. */
function isPooled(config: JsonObject): boolean {
  return architecturesOf(config).some((name) => name.endsWith('Model'));
}

function taskOf(folder: ConfigFolder, isEncoder: boolean): ModelTask | null {
  const names = architecturesOf(folder.config);
  if (names.some((name) => name.endsWith('ForSequenceClassification'))) {
    return labelsOf(folder.config) === 1 ? 'rerank' : null;
  }
  if (folder.hasPooling || isEncoder) return 'embed';
  if (names.some((name) => /(?:ForCausalLM|ForConditionalGeneration|LMHeadModel)$/.test(name))) {
    return folder.hasChatTemplate ? 'chat' : 'completion';
  }
  return names.some((name) => name.endsWith('Model')) ? 'embed' : null;
}

/** One label is a score, which is what a reranker gives; two is what transformers assumes. */
function labelsOf(config: JsonObject): number {
  const labels = config['id2label'];
  if (isJsonObject(labels)) return Object.keys(labels).length;
  return typeof config['num_labels'] === 'number' ? config['num_labels'] : 2;
}

function expertsOf(keys: ConfigKeys): { readonly total: number; readonly used: number } | null {
  const total = keys.number(
    'num_experts',
    'num_local_experts',
    'n_routed_experts',
    'moe_num_experts',
  );
  const used = keys.number(
    'num_experts_per_tok',
    'num_experts_per_token',
    'experts_per_token',
    'moe_topk',
    'moe_k',
  );
  if (total === null || used === null || total < 2 || used < 1 || used > total) return null;
  return { total, used };
}
