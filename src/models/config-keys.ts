/**
 * Answers: the values of a config.json under the several names that model families give them.
 * Multimodal families keep the language model's values in an object of their own.
 */
import { isJsonObject, type JsonObject } from './json.ts';

export interface ConfigKeys {
  readonly modelType: string | null;
  /** The first of `names` that holds a number ≥0. */
  number(...names: readonly string[]): number | null;
  text(name: string): string | null;
  list(name: string): readonly unknown[] | null;
  object(name: string): JsonObject | null;
  flag(name: string): boolean;
}

const NESTED = ['text_config', 'llm_config', 'language_config'];

/**
 * Values that transformers' `Gemma3TextConfig` and `Gemma2Config` fill in when a published config
 * leaves them out; gemma-3-4b names five keys only.
 */
const DEFAULTS: Readonly<Record<string, JsonObject>> = {
  gemma3_text: {
    vocab_size: 262_208,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 131_072,
    sliding_window: 4096,
  },
  gemma2: {
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 8192,
    sliding_window: 4096,
  },
};

/** Keys of the language model in `config`, wherever it keeps them. */
export function configKeys(config: JsonObject): ConfigKeys {
  const nested = NESTED.map((name) => config[name]).find(isJsonObject);
  const own: JsonObject = { ...config, ...nested };
  const typeName = typeof own['model_type'] === 'string' ? own['model_type'] : null;
  // The outer type names the family; the inner one (`gemma3_text`) has the defaults.
  const values: JsonObject = {
    ...DEFAULTS[typeName === 'gemma3' ? 'gemma3_text' : (typeName ?? '')],
    ...own,
  };
  return {
    modelType: typeName,
    number: (...names) => names.map((name) => values[name]).find(isCount) ?? null,
    text: (name) => (typeof values[name] === 'string' ? values[name] : null),
    list: (name) => (Array.isArray(values[name]) ? (values[name] as readonly unknown[]) : null),
    object: (name) => (isJsonObject(values[name]) ? values[name] : null),
    flag: (name) => values[name] === true,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
