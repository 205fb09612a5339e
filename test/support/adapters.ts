/**
 * Answers: a LoRA adapter for a model of the llama family, the same one as PEFT and as llama.cpp
 * write it: `v_proj` and `down_proj` of each layer, which both store the same way round.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text, writeGguf, type TensorSpec } from '../fixtures/models/gguf-writer.ts';

export interface AdapterShape {
  readonly layers: number;
  readonly hiddenSize: number;
  /** Of all heads of the KV cache together. */
  readonly valueSize: number;
  readonly feedForwardSize: number;
  readonly rank: number;
  /** 0 = an adapter that changes nothing. */
  readonly strength: number;
}

/** Of SmolLM2-135M. */
export const DEMO_ADAPTER: AdapterShape = {
  layers: 30,
  hiddenSize: 576,
  valueSize: 192,
  feedForwardSize: 1536,
  rank: 8,
  strength: 1,
};

interface Pair {
  readonly peft: string;
  readonly gguf: string;
  readonly input: number;
  readonly output: number;
  readonly down: Float32Array;
  readonly up: Float32Array;
}

/** A folder as PEFT writes it. */
export function writePeftAdapter(folder: string, shape: AdapterShape): string {
  mkdirSync(folder, { recursive: true });
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    r: shape.rank,
    lora_alpha: shape.rank,
    lora_dropout: 0,
    bias: 'none',
    target_modules: ['v_proj', 'down_proj'],
  };
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
  const tensors = pairsOf(shape).flatMap(({ peft, input, output, down, up }) => [
    { name: `${peft}.lora_A.weight`, shape: [shape.rank, input], data: down },
    { name: `${peft}.lora_B.weight`, shape: [output, shape.rank], data: up },
  ]);
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { name, shape, data } of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = Buffer.concat([length, json, ...tensors.map(({ data }) => bytesOf(data))]);
  writeFileSync(join(folder, 'adapter_model.safetensors'), file);
  return folder;
}

/** A file as llama.cpp's converter writes it. */
export function writeGgufAdapter(path: string, shape: AdapterShape): string {
  mkdirSync(dirname(path), { recursive: true });
  const pairs = pairsOf(shape);
  // Fastest dimension first; every size is a multiple of the alignment.
  const tensors: readonly TensorSpec[] = pairs.flatMap(({ gguf, input, output }) => [
    { name: `${gguf}.lora_a`, dimensions: [input, shape.rank], typeId: 0 },
    { name: `${gguf}.lora_b`, dimensions: [shape.rank, output], typeId: 0 },
  ]);
  const { header } = writeGguf({
    metadata: [
      ['general.architecture', text('llama')],
      ['general.type', text('adapter')],
      ['adapter.type', text('lora')],
      ['adapter.lora.alpha', { type: 'f32', value: shape.rank }],
    ],
    tensors,
  });
  const data = pairs.flatMap(({ down, up }) => [bytesOf(down), bytesOf(up)]);
  writeFileSync(path, Buffer.concat([header, ...data]));
  return path;
}

function pairsOf(shape: AdapterShape): readonly Pair[] {
  const { layers, hiddenSize, valueSize, feedForwardSize, rank, strength } = shape;
  const random = generator();
  const pair = (names: readonly [string, string], input: number, output: number): Pair => ({
    peft: names[0],
    gguf: names[1],
    input,
    output,
    down: Float32Array.from({ length: rank * input }, () => random() / Math.sqrt(input)),
    up: Float32Array.from({ length: output * rank }, () => random() * strength),
  });
  return Array.from({ length: layers }, (_, layer) => {
    const peft = `base_model.model.model.layers.${layer}`;
    const names = {
      value: [`${peft}.self_attn.v_proj`, `blk.${layer}.attn_v.weight`],
      down: [`${peft}.mlp.down_proj`, `blk.${layer}.ffn_down.weight`],
    } as const;
    return [
      pair(names.value, hiddenSize, valueSize),
      pair(names.down, feedForwardSize, hiddenSize),
    ];
  }).flat();
}

function bytesOf(data: Float32Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Park and Miller's generator: the same adapter every time. -1 to 1. */
function generator(): () => number {
  let state = 20_261_121;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return (state / 2_147_483_647) * 2 - 1;
  };
}
