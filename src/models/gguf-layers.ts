/**
 * Answers: what each layer of a GGUF model keeps in the KV cache, from its metadata keys. Names of
 * keys and default window patterns are llama.cpp's (`llama-arch.cpp`, `llama-model.cpp`).
 */
import type { GgufValue } from './gguf-values.ts';
import { groupLayers, LAYERS_MAX, type Layer } from './layers.ts';
import type { AttentionGroup } from './model.ts';

/** Reads the keys of one architecture: `block_count` is `llama.block_count` in the file. */
export interface GgufKeys {
  number(key: string): number | null;
  /** One value a layer: a list as it is, a single number repeated. */
  perLayer(key: string, layers: number): readonly number[] | null;
  list(key: string): readonly (number | boolean)[] | null;
}

export function ggufKeys(metadata: ReadonlyMap<string, GgufValue>, architecture: string): GgufKeys {
  const value = (key: string): GgufValue | undefined => metadata.get(`${architecture}.${key}`);
  const number = (key: string): number | null => {
    const found = value(key);
    return typeof found === 'number' && Number.isFinite(found) && found >= 0 ? found : null;
  };
  const list = (key: string): readonly (number | boolean)[] | null => {
    const found = value(key);
    return typeof found === 'object' ? found.values : null;
  };
  return {
    number,
    list,
    perLayer: (key, layers) => {
      const values = list(key)?.filter((item) => typeof item === 'number');
      if (values !== undefined) return values.length >= layers ? values.slice(0, layers) : null;
      const single = number(key);
      return single === null ? null : Array.from({ length: layers }, () => single);
    },
  };
}

/** Every n-th layer sees everything, the others a window; `first` where the wide one leads. */
const WINDOW_PATTERNS: Readonly<Record<string, { readonly every: number; first?: true }>> = {
  gemma2: { every: 2 },
  gemma3: { every: 6 },
  gemma3n: { every: 5 },
  'gpt-oss': { every: 2 },
  cohere2: { every: 4 },
  exaone4: { every: 4 },
  llama4: { every: 4 },
  olmo2: { every: 4 },
  smallthinker: { every: 4, first: true },
  afmoe: { every: 4 },
};

/** Every layer is recurrent, there is no attention at all. */
const RECURRENT = new Set(['mamba', 'mamba2', 'rwkv6', 'rwkv6qwen2', 'rwkv7', 'arwkv7']);
/** Every layer has attention and recurrent state side by side. */
const PARALLEL = new Set(['falcon-h1']);
/** Every n-th layer has attention, the others recurrent state; the key names n. */
const INTERVAL_KEY = 'full_attention_interval';
const INTERVAL_DEFAULT = new Map([
  ['qwen3next', 4],
  ['qwen35', 4],
  ['qwen35moe', 4],
]);

/** `null` when a key that is needed is missing. */
export function ggufAttention(
  keys: GgufKeys,
  architecture: string,
): readonly AttentionGroup[] | null {
  const count = keys.number('block_count');
  if (count === null || count < 1 || count > LAYERS_MAX) return null;
  // Prediction layers behind the model proper are idle unless speculative decoding asks for them.
  const layerCount = count - (keys.number('nextn_predict_layers') ?? 0);
  const latent = latentWidth(keys);
  const state = stateElements(keys);
  const kvHeads = keys.perLayer('attention.head_count_kv', layerCount) ?? headsOf(keys, layerCount);
  const layers: Layer[] = [];
  for (let i = 0; i < layerCount; i += 1) {
    const isRecurrent = isRecurrentLayer(keys, { architecture, index: i, heads: kvHeads?.[i] });
    if (isRecurrent || PARALLEL.has(architecture)) {
      if (state === null) return null;
      layers.push({ kind: 'linear', stateElements: state });
    }
    if (isRecurrent) continue;
    if (latent !== null) layers.push({ kind: 'mla', latentWidth: latent });
    else {
      const heads = kvHeads?.[i];
      if (heads === undefined) return null;
      if (heads === 0) continue;
      const layer = attentionLayer(keys, { architecture, index: i, heads });
      if (layer === null) return null;
      layers.push(layer);
    }
  }
  return groupLayers(withoutShared(keys, layers));
}

interface LayerPlace {
  readonly architecture: string;
  readonly index: number;
  readonly heads: number | undefined;
}

function headsOf(keys: GgufKeys, layers: number): readonly number[] | null {
  return keys.perLayer('attention.head_count', layers);
}

/**
 * Files that name `key_length_mla`, or one KV head, are cached compressed. Older conversions of
 * the same models are cached in full width, and their keys describe that.
 */
function latentWidth(keys: GgufKeys): number | null {
  const rank = keys.number('attention.kv_lora_rank');
  const rope = keys.number('rope.dimension_count');
  if (rank === null || rope === null || rank === 0) return null;
  const isCompressed =
    keys.number('attention.key_length_mla') !== null ||
    keys.number('attention.head_count_kv') === 1;
  return isCompressed ? rank + rope : null;
}

/** Elements of recurrent state a layer and sequence: convolution window and state together. */
function stateElements(keys: GgufKeys): number | null {
  const inner = keys.number('ssm.inner_size');
  const state = keys.number('ssm.state_size');
  const kernel = keys.number('ssm.conv_kernel') ?? 0;
  const heads = keys.number('attention.head_count');
  const kdaHead = keys.number('kda.head_dim');
  const hidden = keys.number('embedding_length');
  if (kdaHead !== null && heads !== null) {
    return 3 * Math.max(0, kernel - 1) * kdaHead * heads + kdaHead ** 2 * heads;
  }
  if (inner !== null && state !== null) {
    const groups = keys.number('ssm.group_count') ?? 0;
    return Math.max(0, kernel - 1) * (inner + 2 * groups * state) + inner * state;
  }
  const shift = keys.number('shortconv.l_cache');
  if (shift !== null && hidden !== null) return Math.max(0, shift - 1) * hidden;
  const wkvHead = keys.number('wkv.head_size');
  if (wkvHead !== null && hidden !== null) {
    return hidden * (wkvHead + (keys.number('token_shift_count') ?? 2));
  }
  return null;
}

function isRecurrentLayer(keys: GgufKeys, place: LayerPlace): boolean {
  if (RECURRENT.has(place.architecture)) return true;
  const every = keys.number(INTERVAL_KEY) ?? INTERVAL_DEFAULT.get(place.architecture) ?? null;
  if (every !== null && every > 0) return (place.index + 1) % every !== 0;
  if (place.heads !== 0 || stateElements(keys) === null) return false;
  // Neither attention nor a feed-forward part of its own: Nemotron-H's third kind has the latter.
  const feedForward = keys.list('feed_forward_length')?.[place.index];
  return place.architecture === 'nemotron_h' || place.architecture === 'nemotron_h_moe'
    ? feedForward === 0
    : true;
}

function attentionLayer(
  keys: GgufKeys,
  place: LayerPlace & { readonly heads: number },
): Layer | null {
  const isSliding = slides(keys, place);
  const suffix = isSliding && keys.number('attention.key_length_swa') !== null ? '_swa' : '';
  const hidden = keys.number('embedding_length');
  const heads = keys.perLayer('attention.head_count', place.index + 1)?.[place.index] ?? null;
  const derived = hidden !== null && heads !== null && heads > 0 ? hidden / heads : null;
  const headDimKey = keys.number(`attention.key_length${suffix}`) ?? derived;
  const headDimValue = keys.number(`attention.value_length${suffix}`) ?? derived;
  if (headDimKey === null || headDimValue === null) return null;
  const widths = { kvHeads: place.heads, headDimKey, headDimValue };
  const windowTokens = keys.number('attention.sliding_window') ?? keys.number(CHUNK_KEY);
  return isSliding && windowTokens !== null
    ? { kind: 'sliding', ...widths, windowTokens }
    : { kind: 'full', ...widths };
}

const CHUNK_KEY = 'attention.chunk_size';

/** A window without a known pattern is taken as full: an upper bound, never too little. */
function slides(keys: GgufKeys, place: LayerPlace): boolean {
  const windowTokens = keys.number('attention.sliding_window') ?? keys.number(CHUNK_KEY);
  if (windowTokens === null || windowTokens === 0) return false;
  const list = keys.list('attention.sliding_window_pattern')?.[place.index];
  if (list !== undefined) return Boolean(list);
  const pattern = WINDOW_PATTERNS[place.architecture];
  const every = keys.number('attention.sliding_window_pattern') ?? pattern?.every ?? 0;
  if (every < 1) return false;
  return pattern?.first === true ? place.index % every !== 0 : place.index % every !== every - 1;
}

/** The last layers of some models read the cache of earlier ones and keep none. */
function withoutShared(keys: GgufKeys, layers: readonly Layer[]): readonly Layer[] {
  const shared = keys.number('attention.shared_kv_layers') ?? 0;
  return shared > 0 && shared < layers.length ? layers.slice(0, layers.length - shared) : layers;
}
