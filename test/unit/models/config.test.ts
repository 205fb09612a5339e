import { describe, expect, it } from 'vitest';

import { packingOf } from '../../../src/models/config-format.ts';
import { configKeys } from '../../../src/models/config-keys.ts';
import { configAttention } from '../../../src/models/config-layers.ts';
import { configModel, type ConfigFolder } from '../../../src/models/config-model.ts';
import type { JsonObject } from '../../../src/models/json.ts';
import type { AttentionGroup } from '../../../src/models/model.ts';
import type { SafetensorsTensor } from '../../../src/models/safetensors.ts';
import { weightTensors } from '../../../src/models/safetensors-weights.ts';

const full = (layers: number, kvHeads: number, headDim: number): AttentionGroup => {
  return { kind: 'full', layers, kvHeads, headDimKey: headDim, headDimValue: headDim };
};
const sliding = (
  layers: number,
  widths: readonly [number, number],
  windowTokens: number,
): AttentionGroup => {
  const [kvHeads, headDim] = widths;
  return {
    kind: 'sliding',
    layers,
    kvHeads,
    headDimKey: headDim,
    headDimValue: headDim,
    windowTokens,
  };
};
const mla = (layers: number, latentWidth: number): AttentionGroup => {
  return { kind: 'mla', layers, latentWidth };
};
const linear = (layers: number, stateElements: number): AttentionGroup => {
  return { kind: 'linear', layers, stateElements };
};
const shape = (layers: number, hidden: number, heads: number, kvHeads: number): JsonObject => ({
  num_hidden_layers: layers,
  hidden_size: hidden,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
});
const alternating = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'sliding_attention' : 'full_attention'));

/** Values as in the config.json of the model that is named first. */
const CONFIGS: readonly [string, JsonObject, readonly AttentionGroup[]][] = [
  [
    'Llama-3.1-8B: heads share keys, width from the hidden size',
    { model_type: 'llama', ...shape(32, 4096, 32, 8) },
    [full(32, 8, 128)],
  ],
  [
    'Mistral-7B-v0.1: a window in every layer',
    { model_type: 'mistral', ...shape(32, 4096, 32, 8), sliding_window: 4096 },
    [sliding(32, [8, 128], 4096)],
  ],
  [
    'Mistral-7B-v0.3: the window is null',
    { model_type: 'mistral', ...shape(32, 4096, 32, 8), sliding_window: null },
    [full(32, 8, 128)],
  ],
  [
    'Mixtral-8x7B',
    { model_type: 'mixtral', ...shape(32, 4096, 32, 8), sliding_window: null },
    [full(32, 8, 128)],
  ],
  [
    'Qwen2.5-7B: a window that is switched off',
    {
      model_type: 'qwen2',
      ...shape(28, 3584, 28, 4),
      sliding_window: 131_072,
      use_sliding_window: false,
      max_window_layers: 28,
    },
    [full(28, 4, 128)],
  ],
  [
    'Qwen2 with the window switched on behind layer 20',
    {
      model_type: 'qwen2',
      ...shape(28, 3584, 28, 4),
      sliding_window: 4096,
      use_sliding_window: true,
      max_window_layers: 20,
    },
    [full(20, 4, 128), sliding(8, [4, 128], 4096)],
  ],
  [
    'Qwen3-30B-A3B: a head width of its own',
    { model_type: 'qwen3_moe', ...shape(48, 2048, 32, 4), head_dim: 128 },
    [full(48, 4, 128)],
  ],
  [
    'Phi-3-mini-4k',
    { model_type: 'phi3', ...shape(32, 3072, 32, 32), sliding_window: 2047 },
    [sliding(32, [32, 96], 2047)],
  ],
  [
    'gemma-2-9b: every other layer',
    { model_type: 'gemma2', ...shape(42, 3584, 16, 8), head_dim: 256, sliding_window: 4096 },
    [sliding(21, [8, 256], 4096), full(21, 8, 256)],
  ],
  [
    'gemma-3-4b-it: nested, and most values left to the defaults',
    {
      model_type: 'gemma3',
      text_config: {
        model_type: 'gemma3_text',
        hidden_size: 2560,
        num_hidden_layers: 34,
        sliding_window: 1024,
      },
      vision_config: {},
    },
    [sliding(29, [4, 256], 1024), full(5, 4, 256)],
  ],
  [
    'gemma-3-27b-it: 10 of 62 layers see everything',
    {
      model_type: 'gemma3',
      text_config: {
        model_type: 'gemma3_text',
        ...shape(62, 5376, 32, 16),
        head_dim: 128,
        sliding_window: 1024,
      },
    },
    [sliding(52, [16, 128], 1024), full(10, 16, 128)],
  ],
  [
    'gpt-oss-20b: layers by name',
    {
      model_type: 'gpt_oss',
      ...shape(24, 2880, 64, 8),
      head_dim: 64,
      sliding_window: 128,
      layer_types: alternating(24),
    },
    [sliding(12, [8, 64], 128), full(12, 8, 64)],
  ],
  [
    'DeepSeek-V2-Lite: compressed keys and values',
    {
      model_type: 'deepseek_v2',
      ...shape(27, 2048, 16, 16),
      kv_lora_rank: 512,
      qk_rope_head_dim: 64,
      v_head_dim: 128,
    },
    [mla(27, 576)],
  ],
  [
    'DeepSeek-V3',
    {
      model_type: 'deepseek_v3',
      ...shape(61, 7168, 128, 128),
      kv_lora_rank: 512,
      qk_rope_head_dim: 64,
    },
    [mla(61, 576)],
  ],
  [
    'Llama-4-Scout: chunks in three of four layers',
    {
      model_type: 'llama4',
      text_config: {
        model_type: 'llama4_text',
        ...shape(48, 5120, 40, 8),
        head_dim: 128,
        attention_chunk_size: 8192,
      },
    },
    [sliding(36, [8, 128], 8192), full(12, 8, 128)],
  ],
  [
    'Qwen3-Next-80B-A3B: delta networks in three of four layers',
    {
      model_type: 'qwen3_next',
      ...shape(48, 2048, 16, 2),
      head_dim: 256,
      full_attention_interval: 4,
      linear_num_key_heads: 16,
      linear_num_value_heads: 32,
      linear_key_head_dim: 128,
      linear_value_head_dim: 128,
      linear_conv_kernel_dim: 4,
    },
    [linear(36, 3 * 8192 + 32 * 128 * 128), full(12, 2, 256)],
  ],
  [
    'Kimi-Linear-48B-A3B: compressed attention between delta layers',
    {
      model_type: 'kimi_linear',
      ...shape(27, 2304, 32, 32),
      kv_lora_rank: 512,
      qk_rope_head_dim: 64,
      linear_attn_config: {
        full_attn_layers: [4, 8, 12, 16, 20, 24, 27],
        num_heads: 32,
        head_dim: 128,
        short_conv_kernel_size: 4,
      },
    },
    [linear(20, 3 * 3 * 4096 + 32 * 128 * 128), mla(7, 576)],
  ],
  [
    'mamba-2.8b: state alone',
    {
      model_type: 'mamba',
      num_hidden_layers: 64,
      hidden_size: 2560,
      intermediate_size: 5120,
      state_size: 16,
      conv_kernel: 4,
    },
    [linear(64, 3 * 5120 + 5120 * 16)],
  ],
  [
    'Jamba-1.5-Mini: attention in layer 4 of every 8',
    {
      model_type: 'jamba',
      ...shape(32, 4096, 32, 8),
      attn_layer_period: 8,
      attn_layer_offset: 4,
      mamba_d_state: 16,
      mamba_d_conv: 4,
      mamba_expand: 2,
    },
    [linear(28, 3 * 8192 + 8192 * 16), full(4, 8, 128)],
  ],
  [
    'Nemotron-H-8B: kinds by letters, feed-forward layers keep nothing',
    {
      model_type: 'nemotron_h',
      ...shape(52, 4096, 32, 8),
      attention_head_dim: 128,
      hybrid_override_pattern: 'M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-',
      mamba_num_heads: 128,
      mamba_head_dim: 64,
      ssm_state_size: 128,
      n_groups: 8,
      conv_kernel: 4,
    },
    [linear(24, 3 * (8192 + 2 * 8 * 128) + 8192 * 128), full(4, 8, 128)],
  ],
  [
    'granite-4.0-h-small: kinds by words',
    {
      model_type: 'granitemoehybrid',
      ...shape(40, 4096, 32, 8),
      layer_types: Array.from({ length: 40 }, (_, i) => (i % 10 === 5 ? 'attention' : 'mamba')),
      mamba_n_heads: 128,
      mamba_d_head: 64,
      mamba_d_state: 128,
      mamba_d_conv: 4,
      mamba_n_groups: 1,
    },
    [linear(36, 3 * (8192 + 256) + 8192 * 128), full(4, 8, 128)],
  ],
  [
    'Falcon-7B: all queries share one head',
    {
      model_type: 'falcon',
      num_hidden_layers: 32,
      hidden_size: 4544,
      num_attention_heads: 71,
      multi_query: true,
    },
    [full(32, 1, 64)],
  ],
];

describe('configAttention', () => {
  it.each(CONFIGS)('%s', (_, config, expected) => {
    expect(configAttention(configKeys(config))).toEqual(expected);
  });

  it.each<[string, JsonObject]>([
    ['without layers', { model_type: 'llama', hidden_size: 64 }],
    ['with a layer of an unknown kind', { ...shape(1, 64, 1, 1), layer_types: ['retention'] }],
    [
      'with recurrent layers of an unknown layout',
      { ...shape(1, 64, 1, 1), layer_types: ['mamba'] },
    ],
    ['with more layers than any model', shape(1e9, 64, 1, 1)],
    ['without heads', { model_type: 'llama', num_hidden_layers: 2, hidden_size: 64 }],
  ])('says null for a config %s', (_, config) => {
    expect(configAttention(configKeys(config))).toBeNull();
  });
});

describe('packingOf', () => {
  it.each<[string, JsonObject, string, string | null]>([
    ['none', {}, 'safetensors', null],
    ['AWQ', { quantization_config: { quant_method: 'awq', bits: 4 } }, 'awq', 'int4'],
    ['GPTQ', { quantization_config: { quant_method: 'gptq', bits: 8 } }, 'gptq', 'int8'],
    ['FP8', { quantization_config: { quant_method: 'fp8' } }, 'fp8', 'fp8'],
    ['MLX', { quantization: { group_size: 64, bits: 4 } }, 'mlx', '4bit'],
    ['EXL2', { quantization_config: { quant_method: 'exl2', bits: 4.25 } }, 'exl2', '4.25bpw'],
    ['EXL3', { quantization_config: { quant_method: 'exl3', bits: 4 } }, 'exl3', '4.0bpw'],
    ['MXFP4', { quantization_config: { quant_method: 'mxfp4' } }, 'safetensors', 'mxfp4'],
    [
      'ModelOpt NVFP4',
      { quantization_config: { quant_method: 'modelopt', quant_algo: 'NVFP4' } },
      'safetensors',
      'nvfp4',
    ],
    [
      'ModelOpt FP8',
      { quantization_config: { quant_method: 'modelopt', quant_algo: 'FP8' } },
      'fp8',
      'fp8',
    ],
    [
      'compressed tensors of 8-bit floats',
      compressed({ num_bits: 8, type: 'float' }),
      'fp8',
      'fp8',
    ],
    [
      'compressed tensors of 4-bit integers',
      compressed({ num_bits: 4, type: 'int' }),
      'safetensors',
      'int4',
    ],
    [
      'a method inside the language model',
      { text_config: { quantization_config: { quant_method: 'awq', bits: 4 } } },
      'awq',
      'int4',
    ],
  ])('reads %s', (_, config, format, quantization) => {
    expect(packingOf(config)).toMatchObject({ format, quantization });
  });

  function compressed(weights: JsonObject): JsonObject {
    const groups = { group_0: { weights } };
    return { quantization_config: { quant_method: 'compressed-tensors', config_groups: groups } };
  }
});

describe('weightTensors', () => {
  /** Every row stands for one matrix of 128 × 64 weights. */
  it.each<[string, JsonObject, readonly [string, string, readonly number[]][]]>([
    ['plain', {}, [['w.weight', 'BF16', [128, 64]]]],
    [
      'AWQ',
      { quantization_config: { quant_method: 'awq', bits: 4 } },
      [
        ['w.qweight', 'I32', [64, 16]],
        ['w.qzeros', 'I32', [1, 16]],
        ['w.scales', 'F16', [1, 128]],
      ],
    ],
    [
      'GPTQ',
      { quantization_config: { quant_method: 'gptq', bits: 4 } },
      [
        ['w.qweight', 'I32', [8, 128]],
        ['w.qzeros', 'I32', [1, 16]],
        ['w.scales', 'F16', [1, 128]],
        ['w.g_idx', 'I32', [64]],
      ],
    ],
    [
      'FP8',
      { quantization_config: { quant_method: 'fp8' } },
      [
        ['w.weight', 'F8_E4M3', [128, 64]],
        ['w.weight_scale_inv', 'F32', [1, 1]],
      ],
    ],
    [
      'MLX in 4 bits',
      { quantization: { group_size: 32, bits: 4 } },
      [
        ['w.weight', 'U32', [128, 8]],
        ['w.scales', 'BF16', [128, 2]],
        ['w.biases', 'BF16', [128, 2]],
      ],
    ],
    [
      'MLX with one layer in 8 bits',
      { quantization: { group_size: 32, bits: 4 } },
      [
        ['w.weight', 'U32', [128, 16]],
        ['w.scales', 'BF16', [128, 2]],
        ['w.biases', 'BF16', [128, 2]],
      ],
    ],
    [
      'MXFP4',
      { quantization_config: { quant_method: 'mxfp4' } },
      [
        ['w_blocks', 'U8', [128, 2, 16]],
        ['w_scales', 'U8', [128, 2]],
      ],
    ],
    [
      'NVFP4',
      { quantization_config: { quant_method: 'modelopt', quant_algo: 'NVFP4' } },
      [
        ['w.weight', 'U8', [128, 32]],
        ['w.weight_scale', 'F8_E4M3', [128, 4]],
        ['w.weight_scale_2', 'F32', []],
        ['w.input_scale', 'F32', []],
      ],
    ],
    [
      'EXL3',
      { quantization_config: { quant_method: 'exl3', bits: 4 } },
      [
        ['w.trellis', 'I16', [4, 8, 64]],
        ['w.suh', 'F16', [64]],
        ['w.svh', 'F16', [128]],
      ],
    ],
    [
      'EXL2',
      { quantization_config: { quant_method: 'exl2', bits: 4 } },
      [
        ['w.q_weight', 'I32', [8, 128]],
        ['w.q_invperm', 'I16', [64]],
        ['w.q_scale', 'I32', [2, 16]],
        ['w.q_groups', 'I16', [4]],
      ],
    ],
  ])('counts the weights that %s packs, and no scale', (_, config, rows) => {
    const tensors = rows.map(([name, dtype, dims]): SafetensorsTensor => {
      const elements = dims.reduce((product, size) => product * size, 1);
      return { name, dtype, shape: dims, elements, bytes: elements, offset: 0 };
    });
    const counted = weightTensors(tensors, packingOf(config));
    expect(counted.reduce((sum, tensor) => sum + tensor.parameters, 0)).toBe(128 * 64);
  });
});

describe('configModel', () => {
  type Rest = Partial<Omit<ConfigFolder, 'config'>>;
  const folder = {
    path: '/m',
    tensors: [],
    bytesOnDisk: 0,
    hasChatTemplate: true,
    hasPooling: false,
  };
  const describeConfig = (config: JsonObject, rest: Rest = {}): ReturnType<typeof configModel> =>
    configModel({ ...folder, ...rest, config }, { ref: 'r', name: 'n' });

  it.each<[string, JsonObject, Rest, string | null]>([
    ['a causal model with a template', { architectures: ['LlamaForCausalLM'] }, {}, 'chat'],
    [
      'a causal model without one',
      { architectures: ['LlamaForCausalLM'] },
      { hasChatTemplate: false },
      'completion',
    ],
    [
      'files of sentence-transformers',
      { architectures: ['Qwen3ForCausalLM'] },
      { hasPooling: true },
      'embed',
    ],
    ['an encoder', { model_type: 'bert', architectures: ['BertModel'] }, {}, 'embed'],
    [
      'one label',
      { architectures: ['XLMRobertaForSequenceClassification'], id2label: { 0: 'LABEL_0' } },
      {},
      'rerank',
    ],
    [
      'three labels',
      { architectures: ['BertForSequenceClassification'], id2label: { 0: 'a', 1: 'b', 2: 'c' } },
      {},
      null,
    ],
    ['an architecture nobody knows', { architectures: ['FooForBar'] }, {}, null],
  ])('tells the task of %s', (_, config, rest, task) => {
    expect(describeConfig(config, rest).task).toBe(task);
  });

  it('reads names, limits, experts and vision of a nested config', () => {
    const model = describeConfig({
      model_type: 'qwen3_vl_moe',
      architectures: ['Qwen3VLMoeForConditionalGeneration'],
      text_config: {
        model_type: 'qwen3_vl_moe_text',
        ...shape(48, 2048, 32, 4),
        head_dim: 128,
        vocab_size: 151_936,
        max_position_embeddings: 262_144,
        num_experts: 128,
        num_experts_per_tok: 8,
      },
      vision_config: { depth: 27 },
    });
    expect(model).toMatchObject({
      architecture: 'qwen3_vl_moe',
      hasVision: true,
      contextTokensMax: 262_144,
      hiddenSize: 2048,
      attentionHeads: 32,
      vocabularySize: 151_936,
      experts: { total: 128, used: 8 },
      attention: [full(48, 4, 128)],
    });
  });

  it('leaves null what the config does not say', () => {
    expect(describeConfig({})).toMatchObject({
      architecture: null,
      task: null,
      contextTokensMax: null,
      hiddenSize: null,
      attentionHeads: null,
      vocabularySize: null,
      attention: null,
      experts: null,
    });
  });

  it('splits dense, expert and embedding bytes, the embedding apart only with a head', () => {
    const tensor = (name: string, elements: number): SafetensorsTensor => {
      return { name, dtype: 'BF16', shape: [elements], elements, bytes: 2 * elements, offset: 0 };
    };
    const config = { num_experts: 4, num_experts_per_tok: 1 };
    const tensors = [
      tensor('model.embed_tokens.weight', 100),
      tensor('model.layers.0.self_attn.q_proj.weight', 10),
      tensor('model.layers.0.mlp.experts.0.gate_proj.weight', 40),
      tensor('model.layers.0.mlp.shared_expert.gate_proj.weight', 7),
    ];
    const head = tensor('lm_head.weight', 100);
    expect(describeConfig(config, { tensors: [...tensors, head] })).toMatchObject({
      parametersTotal: 257,
      parametersActive: 227,
      artifacts: [
        {
          quantization: 'bf16',
          weights: { bytesDense: 234, bytesExperts: 80, bytesEmbedding: 200 },
        },
      ],
    });
    expect(describeConfig(config, { tensors })).toMatchObject({
      artifacts: [{ weights: { bytesDense: 234, bytesExperts: 80, bytesEmbedding: 0 } }],
    });
  });
});
