/**
 * Answers: how many elements of constant state a recurrent layer keeps for each sequence: the
 * window of its convolution and the state proper, by the layout of each family.
 */
import type { ConfigKeys } from './config-keys.ts';
import type { JsonObject } from './json.ts';

/** `null` when the config has no recurrent layers or names another layout. */
export function stateElements(keys: ConfigKeys): number | null {
  return (
    deltaState(keys) ?? kimiState(keys) ?? mamba2State(keys) ?? mambaState(keys) ?? convState(keys)
  );
}

/** Gated delta networks: Qwen3-Next and its successors. */
function deltaState(keys: ConfigKeys): number | null {
  const keyHeads = keys.number('linear_num_key_heads');
  const valueHeads = keys.number('linear_num_value_heads');
  const keyDim = keys.number('linear_key_head_dim');
  const valueDim = keys.number('linear_value_head_dim');
  const kernel = keys.number('linear_conv_kernel_dim');
  if (keyHeads === null || valueHeads === null || keyDim === null || valueDim === null) return null;
  const channels = 2 * keyHeads * keyDim + valueHeads * valueDim;
  return convWindow(kernel, channels) + valueHeads * keyDim * valueDim;
}

function kimiState(keys: ConfigKeys): number | null {
  const linear: JsonObject = keys.object('linear_attn_config') ?? {};
  const {
    num_heads: heads,
    head_dim: headDim,
    short_conv_kernel_size: kernel,
  } = linear as {
    readonly num_heads?: unknown;
    readonly head_dim?: unknown;
    readonly short_conv_kernel_size?: unknown;
  };
  if (typeof heads !== 'number' || typeof headDim !== 'number') return null;
  const window = convWindow(typeof kernel === 'number' ? kernel : null, 3 * heads * headDim);
  return window + heads * headDim ** 2;
}

/** Mamba-2: heads with a matrix each; Bamba, Granite, Nemotron-H, Falcon-H1. */
function mamba2State(keys: ConfigKeys): number | null {
  const isPlain = keys.modelType === 'mamba2';
  const heads = keys.number('mamba_num_heads', 'mamba_n_heads', ...(isPlain ? ['num_heads'] : []));
  const headDim = keys.number('mamba_head_dim', 'mamba_d_head', ...(isPlain ? ['head_dim'] : []));
  const state = keys.number('ssm_state_size', 'mamba_d_state', 'state_size');
  if (heads === null || headDim === null || state === null) return null;
  const groups = keys.number('mamba_n_groups', 'n_groups') ?? 1;
  const kernel = keys.number('mamba_d_conv', 'conv_kernel');
  const inner = heads * headDim;
  return convWindow(kernel, inner + 2 * groups * state) + inner * state;
}

/** Mamba: one vector of state a channel; Jamba and Falcon-Mamba too. */
function mambaState(keys: ConfigKeys): number | null {
  const state = keys.number('mamba_d_state', 'state_size');
  const hidden = keys.number('hidden_size', 'd_model');
  if (state === null || hidden === null) return null;
  const expand = keys.number('mamba_expand', 'expand') ?? 2;
  const isPlain = keys.modelType === 'mamba' || keys.modelType === 'falcon_mamba';
  const inner = (isPlain ? keys.number('intermediate_size') : null) ?? expand * hidden;
  return convWindow(keys.number('mamba_d_conv', 'conv_kernel'), inner) + inner * state;
}

/** Short convolutions alone: LFM2. */
function convState(keys: ConfigKeys): number | null {
  const window = keys.number('conv_L_cache');
  const hidden = keys.number('hidden_size');
  return window === null || hidden === null ? null : convWindow(window, hidden);
}

/** A convolution over `kernel` tokens remembers the last `kernel − 1`. */
function convWindow(kernel: number | null, channels: number): number {
  return Math.max(0, (kernel ?? 4) - 1) * channels;
}
