/**
 * Answers: a valid GGUF file of a few KiB (version 3, llama architecture, F32 tensors), so that
 * tests have a model whose every number is known. Layout: the GGUF specification of ggml.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface TinyModel {
  readonly name: string;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly feedForwardSize: number;
  readonly contextTokens: number;
  readonly vocabulary: readonly string[];
}

export const TINY_MODEL: TinyModel = {
  name: 'Tiny Test',
  layers: 1,
  hiddenSize: 8,
  heads: 2,
  kvHeads: 1,
  feedForwardSize: 16,
  contextTokens: 4096,
  vocabulary: ['<unk>', '<s>', '</s>', 'one', 'two', 'three'],
};

/** Value types of the specification. */
const UINT32 = 4;
const FLOAT32 = 6;
const STRING = 8;
const ARRAY = 9;
/** Tensor type F32. */
const TENSOR_F32 = 0;
const ALIGNMENT = 32;

type Value =
  | { readonly type: typeof UINT32 | typeof FLOAT32; readonly value: number }
  | { readonly type: typeof STRING; readonly value: string }
  | { readonly type: typeof ARRAY; readonly value: readonly string[] };

interface Tensor {
  readonly name: string;
  /** In ggml's order: the contiguous dimension first. */
  readonly shape: readonly number[];
}

/** The file's bytes. */
export function tinyGguf(model: TinyModel = TINY_MODEL): Buffer {
  const tensors = tensorsOf(model);
  const metadata = metadataOf(model);
  const head = Buffer.alloc(24);
  head.write('GGUF', 0, 'latin1');
  head.writeUInt32LE(3, 4);
  head.writeBigUInt64LE(BigInt(tensors.length), 8);
  head.writeBigUInt64LE(BigInt(metadata.length), 16);
  const parts: Buffer[] = [head];
  for (const [key, value] of metadata) parts.push(text(key), u32(value.type), encode(value));
  const data: Buffer[] = [];
  let offset = 0;
  for (const { name, shape } of tensors) {
    const elements = shape.reduce((product, size) => product * size, 1);
    const bytes = Buffer.alloc(Math.ceil((elements * 4) / ALIGNMENT) * ALIGNMENT);
    for (let i = 0; i < elements; i += 1) bytes.writeFloatLE(((i % 7) - 3) / 10, i * 4);
    parts.push(text(name), u32(shape.length), ...shape.map(u64), u32(TENSOR_F32), u64(offset));
    data.push(bytes);
    offset += bytes.length;
  }
  const header = Buffer.concat(parts);
  const padding = Buffer.alloc((ALIGNMENT - (header.length % ALIGNMENT)) % ALIGNMENT);
  return Buffer.concat([header, padding, ...data]);
}

/** Writes it to `path`, making the folder, and returns the path. */
export function writeTinyGguf(path: string, model: TinyModel = TINY_MODEL): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, tinyGguf(model));
  return path;
}

function metadataOf(model: TinyModel): readonly (readonly [string, Value])[] {
  return [
    ['general.architecture', word('llama')],
    ['general.name', word(model.name)],
    // 0 = all F32, in the list of llama.cpp's file types.
    ['general.file_type', count(0)],
    ['llama.block_count', count(model.layers)],
    ['llama.context_length', count(model.contextTokens)],
    ['llama.embedding_length', count(model.hiddenSize)],
    ['llama.feed_forward_length', count(model.feedForwardSize)],
    ['llama.attention.head_count', count(model.heads)],
    ['llama.attention.head_count_kv', count(model.kvHeads)],
    ['llama.attention.layer_norm_rms_epsilon', { type: FLOAT32, value: 1e-5 }],
    ['llama.rope.dimension_count', count(model.hiddenSize / model.heads)],
    ['llama.vocab_size', count(model.vocabulary.length)],
    ['tokenizer.ggml.model', word('llama')],
    ['tokenizer.ggml.tokens', { type: ARRAY, value: model.vocabulary }],
    ['tokenizer.chat_template', word('{% for m in messages %}{{ m.content }}\n{% endfor %}')],
  ];
}

function tensorsOf(model: TinyModel): readonly Tensor[] {
  const { hiddenSize, feedForwardSize, vocabulary, heads, kvHeads } = model;
  const kvWidth = (hiddenSize / heads) * kvHeads;
  const layers = Array.from({ length: model.layers }, (_, layer): readonly Tensor[] => [
    { name: `blk.${layer}.attn_norm.weight`, shape: [hiddenSize] },
    { name: `blk.${layer}.attn_q.weight`, shape: [hiddenSize, hiddenSize] },
    { name: `blk.${layer}.attn_k.weight`, shape: [hiddenSize, kvWidth] },
    { name: `blk.${layer}.attn_v.weight`, shape: [hiddenSize, kvWidth] },
    { name: `blk.${layer}.attn_output.weight`, shape: [hiddenSize, hiddenSize] },
    { name: `blk.${layer}.ffn_norm.weight`, shape: [hiddenSize] },
    { name: `blk.${layer}.ffn_gate.weight`, shape: [hiddenSize, feedForwardSize] },
    { name: `blk.${layer}.ffn_up.weight`, shape: [hiddenSize, feedForwardSize] },
    { name: `blk.${layer}.ffn_down.weight`, shape: [feedForwardSize, hiddenSize] },
  ]);
  return [
    { name: 'token_embd.weight', shape: [hiddenSize, vocabulary.length] },
    ...layers.flat(),
    { name: 'output_norm.weight', shape: [hiddenSize] },
    { name: 'output.weight', shape: [hiddenSize, vocabulary.length] },
  ];
}

function count(value: number): Value {
  return { type: UINT32, value };
}

function word(value: string): Value {
  return { type: STRING, value };
}

function encode(entry: Value): Buffer {
  if (entry.type === UINT32) return u32(entry.value);
  if (entry.type === STRING) return text(entry.value);
  if (entry.type === ARRAY) {
    return Buffer.concat([u32(STRING), u64(entry.value.length), ...entry.value.map(text)]);
  }
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(entry.value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
