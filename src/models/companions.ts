/**
 * Answers: what is loaded beside a model at the user's wish: a draft model that proposes tokens, an
 * adapter that changes its answers.
 */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { fail } from '../base/errors.ts';
import { userPath } from '../base/paths.ts';
import { openFileSource } from './file-source.ts';
import { readGgufFile } from './gguf-file.ts';
import { readJsonFile } from './json.ts';
import type { Adapter, ModelInfo } from './model.ts';
import { readSafetensors } from './safetensors.ts';

export interface Companions {
  readonly draft: ModelInfo | null;
  readonly adapter: Adapter | null;
}

const EXPECTED =
  'a GGUF file, or a folder with `adapter_config.json` and `adapter_model.safetensors`';

/** Layers whose input is as wide as the model. */
const READS_HIDDEN = /attn_[qkv]\.|ffn_(gate|up)\.|\b(q|k|v|gate|up)_proj\./;

/** An adapted model answers differently, so it has another name; a draft changes nothing but time. */
export function withCompanions(model: ModelInfo, { draft, adapter }: Companions): ModelInfo {
  return {
    ...model,
    ...(draft === null ? {} : { draft }),
    ...(adapter === null ? {} : { adapter, name: `${model.name}+${adapter.name}` }),
  };
}

/**
 * `text`: a GGUF file of type `adapter`, or a folder as PEFT writes it.
 * @throws HL_OPTION_INVALID, HL_MODEL_FORMAT_UNSUPPORTED for what is no LoRA adapter, HL_MODEL_CORRUPT
 */
export async function describeAdapter(text: string, env: NodeJS.ProcessEnv): Promise<Adapter> {
  const path = userPath(text, env);
  const stats = await stat(path).catch(() => null);
  if (stats === null) {
    const expected = `${EXPECTED}; there is nothing at \`${path}\``;
    return fail('HL_OPTION_INVALID', { option: '--lora', value: text, expected });
  }
  if (stats.isDirectory()) return await describePeft(path);
  if (/\.gguf$/i.test(path)) return await describeGguf(path, stats.mtimeMs);
  return refuse(path, 'it is neither a GGUF file nor a folder');
}

async function describeGguf(path: string, modifiedAtMs: number): Promise<Adapter> {
  const file = await readGgufFile(path);
  const type = file.metadata.get('general.type');
  const kind = file.metadata.get('adapter.type');
  if (type !== 'adapter' || kind !== 'lora') {
    const what = typeof type === 'string' ? type : 'model';
    return refuse(path, `it holds a GGUF of type \`${what}\`, not a LoRA adapter`);
  }
  // GGUF has the fastest dimension first: a pair is [in, rank] and [rank, out].
  const downs = file.tensors.filter(({ name }) => name.endsWith('.lora_a'));
  return adapterOf(path, basename(path).replace(/\.gguf$/i, ''), {
    format: 'gguf',
    bytesOnDisk: file.bytesOnDisk,
    modifiedAtMs,
    ranks: downs.map(({ dimensions }) => dimensions[1] ?? 0),
    hiddenSize: downs.find(({ name }) => READS_HIDDEN.test(name))?.dimensions[0] ?? null,
  });
}

async function describePeft(path: string): Promise<Adapter> {
  const config = await readJsonFile(join(path, 'adapter_config.json'));
  if (config === null) return refuse(path, 'it holds no `adapter_config.json` that can be read');
  if (config['peft_type'] !== 'LORA') {
    return refuse(path, `its \`peft_type\` is \`${String(config['peft_type'])}\`, not \`LORA\``);
  }
  const file = join(path, 'adapter_model.safetensors');
  const stats = await stat(file).catch(() => null);
  if (stats === null) {
    return refuse(path, 'it holds no `adapter_model.safetensors`; pickle is never read');
  }
  await using source = await openFileSource(file);
  const { tensors } = await readSafetensors(source, file);
  // Slowest dimension first: a pair is [rank, in] and [out, rank].
  const downs = tensors.filter(({ name }) => name.endsWith('.lora_A.weight'));
  return adapterOf(path, basename(path), {
    format: 'safetensors',
    bytesOnDisk: source.size,
    modifiedAtMs: stats.mtimeMs,
    ranks: downs.map(({ shape }) => shape[0] ?? 0),
    hiddenSize: downs.find(({ name }) => READS_HIDDEN.test(name))?.shape[1] ?? null,
  });
}

function adapterOf(
  path: string,
  name: string,
  found: Omit<Adapter, 'name' | 'path' | 'rank'> & {
    readonly ranks: readonly number[];
  },
): Adapter {
  const { ranks, ...rest } = found;
  const rank = Math.max(0, ...ranks);
  if (rank === 0) return refuse(path, 'it holds no pair of low-rank matrices');
  return { name, path, rank, ...rest };
}

function refuse(path: string, because: string): never {
  const hint = `an adapter is ${EXPECTED}`;
  return fail('HL_MODEL_FORMAT_UNSUPPORTED', { path, because, hint });
}
