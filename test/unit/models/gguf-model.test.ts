import { describe, expect, it } from 'vitest';

import { ggufModel } from '../../../src/models/gguf-model.ts';
import { readGguf } from '../../../src/models/gguf.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { denseGguf, hybridGguf, mixtureGguf } from '../../fixtures/models/gguf-models.ts';
import {
  flags,
  numbers,
  text,
  u32,
  writeGguf,
  type TensorSpec,
  type Value,
  type WrittenGguf,
} from '../../fixtures/models/gguf-writer.ts';
import { memorySource } from '../../fixtures/models/memory-source.ts';

const TENSORS: readonly TensorSpec[] = [
  { name: 'token_embd.weight', dimensions: [64, 10], typeId: 0 },
];

async function described(written: WrittenGguf, path = '/models/x.gguf'): Promise<ModelInfo> {
  const header = await readGguf(memorySource(written.header, written.size), path);
  return ggufModel({ ...header, path, bytesOnDisk: written.size }, path);
}

async function withKeys(
  architecture: string,
  keys: Readonly<Record<string, Value>>,
  more: readonly (readonly [string, Value])[] = [],
): Promise<ModelInfo> {
  const own = Object.entries(keys).map(
    ([key, value]) => [`${architecture}.${key}`, value] as const,
  );
  return await described(
    writeGguf({
      metadata: [['general.architecture', text(architecture)], ...own, ...more],
      tensors: TENSORS,
    }),
  );
}

const shape = (layers: number, hidden: number, heads: number, kvHeads: number) => ({
  block_count: u32(layers),
  embedding_length: u32(hidden),
  'attention.head_count': u32(heads),
  'attention.head_count_kv': u32(kvHeads),
});
const widths = (key: number, value: number) => ({
  'attention.key_length': u32(key),
  'attention.value_length': u32(value),
});

describe('ggufModel', () => {
  it('describes a dense, tied model from its header', async () => {
    const written = denseGguf();
    expect(await described(written, '/models/Some-Model-7B-Q4_1.gguf')).toMatchObject({
      name: 'Some-Model-7B',
      architecture: 'llama',
      task: 'chat',
      hasVision: false,
      contextTokensMax: 8192,
      hiddenSize: 256,
      attentionHeads: 4,
      vocabularySize: 6,
      attention: [{ kind: 'full', layers: 3, kvHeads: 1, headDimKey: 64, headDimValue: 64 }],
      experts: null,
      hasChatTemplate: true,
      artifacts: [{ format: 'gguf', quantization: 'Q4_1', weights: { bytesEmbedding: 0 } }],
    });
  });

  it('splits the weights of a mixture and counts what one token uses', async () => {
    const model = await described(mixtureGguf());
    const expert = 256 * 512;
    const [artifact] = model.artifacts;
    expect(artifact?.weights).toMatchObject({
      bytesExperts: (2 * 3 * 8 * expert * 17) / 32,
      bytesEmbedding: (256 * 64 * 144) / 256,
    });
    expect(model.experts).toEqual({ total: 8, used: 2 });
    expect((model.parametersTotal ?? 0) - (model.parametersActive ?? 0)).toBe(2 * 3 * 6 * expert);
    expect(model.attention).toEqual([
      {
        kind: 'sliding',
        layers: 1,
        kvHeads: 2,
        headDimKey: 64,
        headDimValue: 64,
        windowTokens: 128,
      },
      { kind: 'full', layers: 1, kvHeads: 2, headDimKey: 64, headDimValue: 64 },
    ]);
    // Without a file type in the metadata the type of most bytes names it.
    expect(artifact?.quantization).toBe('MXFP4');
  });

  it('takes layers without attention heads for recurrent ones', async () => {
    const model = await described(hybridGguf());
    expect(model.attention).toEqual([
      { kind: 'linear', layers: 3, stateElements: 3 * (512 + 2 * 128) + 512 * 128 },
      { kind: 'full', layers: 1, kvHeads: 2, headDimKey: 64, headDimValue: 64 },
    ]);
  });

  it.each<[string, string, Record<string, Value>, unknown]>([
    [
      'gemma 3 by its pattern',
      'gemma3',
      { ...shape(62, 5376, 32, 16), ...widths(128, 128), 'attention.sliding_window': u32(1024) },
      [
        {
          kind: 'sliding',
          layers: 52,
          kvHeads: 16,
          headDimKey: 128,
          headDimValue: 128,
          windowTokens: 1024,
        },
        { kind: 'full', layers: 10, kvHeads: 16, headDimKey: 128, headDimValue: 128 },
      ],
    ],
    [
      'compressed attention',
      'deepseek2',
      {
        ...shape(61, 7168, 128, 1),
        ...widths(576, 512),
        'attention.kv_lora_rank': u32(512),
        'attention.key_length_mla': u32(192),
        'rope.dimension_count': u32(64),
      },
      [{ kind: 'mla', layers: 61, latentWidth: 576 }],
    ],
    [
      'an older conversion of the same model, cached in full width',
      'deepseek2',
      {
        ...shape(61, 7168, 128, 128),
        ...widths(192, 128),
        'attention.kv_lora_rank': u32(512),
        'rope.dimension_count': u32(64),
      },
      [{ kind: 'full', layers: 61, kvHeads: 128, headDimKey: 192, headDimValue: 128 }],
    ],
    [
      'an unknown family with a window but no pattern, as full',
      'newmodel',
      { ...shape(4, 256, 4, 2), 'attention.sliding_window': u32(128) },
      [{ kind: 'full', layers: 4, kvHeads: 2, headDimKey: 64, headDimValue: 64 }],
    ],
    [
      'layers that see everything without a cache of their own',
      'gemma3n',
      {
        ...shape(5, 256, 4, 2),
        'attention.sliding_window': u32(512),
        'attention.sliding_window_pattern': flags([true, false, true, false, true]),
        'attention.shared_kv_layers': u32(2),
      },
      [
        {
          kind: 'sliding',
          layers: 2,
          kvHeads: 2,
          headDimKey: 64,
          headDimValue: 64,
          windowTokens: 512,
        },
        { kind: 'full', layers: 1, kvHeads: 2, headDimKey: 64, headDimValue: 64 },
      ],
    ],
    [
      'delta networks in three of four layers',
      'qwen3next',
      {
        ...shape(48, 2048, 16, 2),
        ...widths(256, 256),
        'ssm.conv_kernel': u32(4),
        'ssm.inner_size': u32(4096),
        'ssm.state_size': u32(128),
        'ssm.group_count': u32(16),
      },
      [
        { kind: 'linear', layers: 36, stateElements: 3 * 8192 + 4096 * 128 },
        { kind: 'full', layers: 12, kvHeads: 2, headDimKey: 256, headDimValue: 256 },
      ],
    ],
    [
      'state alone',
      'mamba',
      {
        block_count: u32(64),
        embedding_length: u32(2560),
        'ssm.conv_kernel': u32(4),
        'ssm.inner_size': u32(5120),
        'ssm.state_size': u32(16),
      },
      [{ kind: 'linear', layers: 64, stateElements: 3 * 5120 + 5120 * 16 }],
    ],
    [
      'heads that differ by layer',
      'openelm',
      {
        block_count: u32(3),
        embedding_length: u32(256),
        'attention.head_count': numbers([4, 4, 8]),
        'attention.head_count_kv': numbers([1, 1, 2]),
        ...widths(64, 64),
      },
      [
        { kind: 'full', layers: 2, kvHeads: 1, headDimKey: 64, headDimValue: 64 },
        { kind: 'full', layers: 1, kvHeads: 2, headDimKey: 64, headDimValue: 64 },
      ],
    ],
    ['nothing without a layer count', 'llama', { 'attention.head_count': u32(4) }, null],
    ['an encoder, which keeps nothing', 'bert', shape(12, 384, 12, 12), []],
  ])('reads the attention of %s', async (_, architecture, keys, expected) => {
    expect((await withKeys(architecture, keys)).attention).toEqual(expected);
  });

  it.each<[string, string, Record<string, Value>, readonly (readonly [string, Value])[], string]>([
    ['a template', 'llama', {}, [['tokenizer.chat_template', text('{{ x }}')]], 'chat'],
    ['no template', 'llama', {}, [], 'completion'],
    ['an encoder', 'bert', {}, [], 'embed'],
    ['a pooling type', 'qwen3', { pooling_type: u32(3) }, [], 'embed'],
    ['ranking as pooling type', 'bert', { pooling_type: u32(4) }, [], 'rerank'],
  ])('tells the task from %s', async (_, architecture, keys, more, task) => {
    expect((await withKeys(architecture, keys, more)).task).toBe(task);
  });

  it('does not know whether a family with projectors can see, from this file alone', async () => {
    expect((await withKeys('qwen2vl', {})).hasVision).toBeNull();
    expect((await withKeys('qwen3', {})).hasVision).toBe(false);
  });

  it.each([
    ['clip', [], 'a vision projector'],
    ['llama', [['general.type', text('adapter')]], 'of type `adapter`'],
  ] as const)('refuses what is no language model: %s', async (architecture, more, expected) => {
    await expect(withKeys(architecture, {}, more)).rejects.toMatchObject({
      code: 'HL_MODEL_FORMAT_UNSUPPORTED',
      message: expect.stringContaining(expected),
    });
  });

  it('refuses a file without an architecture', async () => {
    const written = writeGguf({ metadata: [], tensors: TENSORS });
    await expect(described(written)).rejects.toMatchObject({ code: 'HL_MODEL_CORRUPT' });
  });

  it.each([
    ['/m/Qwen3-8B-Q4_K_M.gguf', 'Qwen3-8B'],
    ['/m/gpt-oss-20b-mxfp4.gguf', 'gpt-oss-20b'],
    ['/m/X.i1-IQ2_XXS.gguf', 'X.i1'],
    ['/m/X-UD-Q4_K_XL-00001-of-00003.gguf', 'X'],
    [`/blobs/sha256-${'a'.repeat(64)}`, 'From Metadata'],
  ])('names `%s` %s', async (path, name) => {
    const metadata = [
      ['general.architecture', text('llama')],
      ['general.name', text('From Metadata')],
    ] as const;
    expect((await described(writeGguf({ metadata, tensors: TENSORS }), path)).name).toBe(name);
  });
});
