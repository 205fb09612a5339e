/**
 * Answers: what each layer of a model keeps in the KV cache, from its config.json. Rules are those
 * of transformers' model code and of the models' own published code.
 */
import type { ConfigKeys } from './config-keys.ts';
import { stateElements } from './config-state.ts';
import { groupLayers, LAYERS_MAX, type Layer } from './layers.ts';
import type { AttentionGroup } from './model.ts';

type Kind = 'full' | 'sliding' | 'linear' | 'both' | 'none';

/** Words of `layer_types`; any other word makes the attention unknown. */
const LAYER_WORDS: Readonly<Record<string, Kind>> = {
  full_attention: 'full',
  attention: 'full',
  sliding_attention: 'sliding',
  chunked_attention: 'sliding',
  linear_attention: 'linear',
  mamba: 'linear',
  conv: 'linear',
  hybrid: 'both',
  moe: 'none',
  mlp: 'none',
};

/** Letters of Nemotron-H's `hybrid_override_pattern`; the others keep no cache. */
const LAYER_LETTERS: ReadonlyMap<string, Kind> = new Map([
  ['M', 'linear'],
  ['*', 'full'],
]);

/** `null` when a value that is needed is missing or of an unknown kind. */
export function configAttention(keys: ConfigKeys): readonly AttentionGroup[] | null {
  const count = keys.number('num_hidden_layers', 'n_layer', 'n_layers', 'num_layers');
  const pattern = keys.text('hybrid_override_pattern');
  const layerCount = pattern?.length ?? count;
  if (layerCount === null || layerCount < 1 || layerCount > LAYERS_MAX) return null;
  const state = stateElements(keys);
  const layers: Layer[] = [];
  for (let i = 0; i < layerCount; i += 1) {
    const kind = layerKind(keys, i);
    if (kind === null) return null;
    if (kind === 'linear' || kind === 'both') {
      if (state === null) return null;
      layers.push({ kind: 'linear', stateElements: state });
    }
    if (kind === 'full' || kind === 'sliding' || kind === 'both') {
      const layer = attentionLayer(keys, kind === 'sliding');
      if (layer === null) return null;
      layers.push(layer);
    }
  }
  return groupLayers(withoutShared(keys, layers));
}

function attentionLayer(keys: ConfigKeys, isSliding: boolean): Layer | null {
  const rank = keys.number('kv_lora_rank');
  const rope = keys.number('qk_rope_head_dim');
  if (rank !== null && rank > 0 && rope !== null) return { kind: 'mla', latentWidth: rank + rope };
  const hidden = keys.number('hidden_size', 'n_embd', 'd_model');
  const heads = keys.number('num_attention_heads', 'n_head', 'n_heads');
  const isMultiQuery = keys.flag('multi_query') && !keys.flag('new_decoder_architecture');
  const kvHeads = isMultiQuery
    ? 1
    : (keys.number('num_key_value_heads', 'num_kv_heads', 'multi_query_group_num') ?? heads);
  const derived = hidden !== null && heads !== null && heads > 0 ? hidden / heads : null;
  const headDim = keys.number('head_dim', 'attention_head_dim', 'kv_channels') ?? derived;
  if (kvHeads === null || headDim === null) return null;
  const headDimValue = keys.number('v_head_dim') ?? headDim;
  const widths = { kvHeads, headDimKey: headDim, headDimValue };
  const windowTokens = windowOf(keys);
  return isSliding && windowTokens !== null
    ? { kind: 'sliding', ...widths, windowTokens }
    : { kind: 'full', ...widths };
}

function windowOf(keys: ConfigKeys): number | null {
  const tokens = keys.number('sliding_window', 'attention_chunk_size');
  return tokens === null || tokens === 0 ? null : tokens;
}

/** What layer `index` is; `null` for a word that is not known. */
function layerKind(keys: ConfigKeys, index: number): Kind | null {
  const word = (keys.list('layer_types') ?? keys.list('layers_block_type'))?.[index];
  if (word !== undefined) return typeof word === 'string' ? (LAYER_WORDS[word] ?? null) : null;
  const letter = keys.text('hybrid_override_pattern')?.[index];
  if (letter !== undefined) return LAYER_LETTERS.get(letter) ?? 'none';
  return familyKind(keys, index);
}

/** Every n-th layer sees everything where the config names only the window. */
const WINDOW_PATTERNS: Readonly<Record<string, number>> = {
  gemma2: 2,
  gemma3: 6,
  gemma3_text: 6,
  gpt_oss: 2,
  cohere2: 4,
  exaone4: 4,
  llama4_text: 4,
};
/** Every layer has a window when there is one at all. */
const WINDOW_EVERYWHERE = new Set(['mistral', 'mixtral', 'phi3', 'phimoe', 'starcoder2']);

function familyKind(keys: ConfigKeys, index: number): Kind {
  const type = keys.modelType ?? '';
  const linear = keys.object('linear_attn_config');
  if (linear !== null) {
    // Kimi Linear counts layers from 1.
    const full = linear['full_attn_layers'];
    return Array.isArray(full) && full.includes(index + 1) ? 'full' : 'linear';
  }
  if (type === 'mamba' || type === 'mamba2' || type === 'falcon_mamba') return 'linear';
  if (type === 'falcon_h1') return 'both';
  const interval = keys.number('full_attention_interval');
  if (interval !== null && interval > 0) return (index + 1) % interval === 0 ? 'full' : 'linear';
  const period = keys.number('attn_layer_period');
  if (period !== null && period > 0) {
    return index % period === (keys.number('attn_layer_offset') ?? 0) ? 'full' : 'linear';
  }
  const indices = keys.list('attn_layer_indices');
  if (indices !== null) return indices.includes(index) ? 'full' : 'linear';
  return slides(keys, type, index) ? 'sliding' : 'full';
}

function slides(keys: ConfigKeys, type: string, index: number): boolean {
  if (windowOf(keys) === null) return false;
  if (type.startsWith('qwen')) {
    return keys.flag('use_sliding_window') && index >= (keys.number('max_window_layers') ?? 0);
  }
  if (WINDOW_EVERYWHERE.has(type)) return true;
  const every = keys.number('sliding_window_pattern') ?? WINDOW_PATTERNS[type] ?? 0;
  return every > 1 && (index + 1) % every !== 0;
}

/** The last layers of some models read the cache of earlier ones and keep none. */
function withoutShared(keys: ConfigKeys, layers: readonly Layer[]): readonly Layer[] {
  const shared = keys.number('num_kv_shared_layers') ?? 0;
  return shared > 0 && shared < layers.length ? layers.slice(0, layers.length - shared) : layers;
}
