/**
 * Answers: which model a folder holds: config.json with safetensors, or GGUF files, or both. One
 * description comes back, with an artifact for each set of weights.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { fail } from '../base/errors.ts';
import { configModel } from './config-model.ts';
import { openFileSource } from './file-source.ts';
import { listFolder, type FolderFiles } from './folder-files.ts';
import { readGgufFile } from './gguf-file.ts';
import { ggufModel } from './gguf-model.ts';
import { isJsonObject, readJsonFile, type JsonObject } from './json.ts';
import type { ModelInfo } from './model.ts';
import { readSafetensors, type SafetensorsTensor } from './safetensors.ts';

export interface FolderLabel {
  readonly ref: string;
  readonly name: string;
}

/** A folder of more quantizations than this is described by the first ones. */
const GGUF_FILES_MAX = 64;
/** The largest published models have some hundred files. */
const SHARDS_MAX = 2000;

/**
 * @throws HL_MODEL_FORMAT_UNSUPPORTED for a folder without readable weights (pickle is never read),
 *   HL_MODEL_CORRUPT for missing or damaged files, HL_MODEL_NOT_FOUND for several models in one.
 */
export async function describeFolder(path: string, label: FolderLabel): Promise<ModelInfo> {
  const files = await listFolder(path);
  const models: ModelInfo[] = [];
  if (files.hasConfig && files.safetensors.length > 0) {
    models.push(await describeConfig(path, files, label));
  }
  for (const file of files.gguf.slice(0, GGUF_FILES_MAX)) {
    const model = ggufModel(await readGgufFile(file), label.ref);
    models.push({
      ...model,
      hasVision: model.hasVision === null ? files.projectors.length > 0 : false,
    });
  }
  return merge(path, models, files);
}

/** One model out of several artifacts; the config's description comes first and counts. */
function merge(path: string, models: readonly ModelInfo[], files: FolderFiles): ModelInfo {
  const [first] = models;
  if (first === undefined) return refuseFolder(path, files);
  const [, ...ggufs] = models;
  const second = ggufs[0] ?? first;
  if (!isSameModel(first, second) || !ggufs.every((model) => isSameModel(second, model))) {
    const nearest = files.gguf.slice(0, 3);
    fail('HL_MODEL_NOT_FOUND', {
      ref: path,
      nearest,
      hint: `the folder holds several models; name one file, such as \`${nearest[0] ?? path}\``,
    });
  }
  return { ...first, artifacts: models.flatMap((model) => model.artifacts) };
}

/**
 * Quantizations of one model agree in these, whichever header says it. GGUF files also agree in
 * the name that is left without the quantization: two models of one family have equal shapes.
 */
function isSameModel(a: ModelInfo, b: ModelInfo): boolean {
  const areBothGguf = [a, b].every((model) => model.artifacts[0]?.format === 'gguf');
  return (
    a.hiddenSize === b.hiddenSize &&
    a.attentionHeads === b.attentionHeads &&
    (!areBothGguf || a.name.toLowerCase() === b.name.toLowerCase())
  );
}

function refuseFolder(path: string, files: FolderFiles): never {
  const names = files.others.map((file) => basename(file));
  const because = names.includes('adapter_config.json')
    ? 'it holds a LoRA adapter, not a model'
    : files.pickles.length > 0
      ? `it holds weights as pickle only (\`${basename(files.pickles[0] ?? '')}\`), which is never read`
      : files.safetensors.length > 0
        ? 'it holds safetensors but no config.json'
        : files.hasConfig
          ? 'it holds a config.json but no weights'
          : 'it holds neither a GGUF file nor a config.json with safetensors';
  fail('HL_MODEL_FORMAT_UNSUPPORTED', { path, because });
}

async function describeConfig(
  path: string,
  files: FolderFiles,
  label: FolderLabel,
): Promise<ModelInfo> {
  const config = await readJsonFile(join(path, 'config.json'));
  if (config === null) {
    return fail('HL_MODEL_CORRUPT', { path, because: '`config.json` cannot be read' });
  }
  const { tensors, bytesOnDisk } = await readShards(path, files);
  return configModel(
    {
      path,
      config,
      tensors,
      bytesOnDisk,
      hasChatTemplate: await hasChatTemplate(path),
      hasPooling: files.others.some((file) => basename(file) === 'modules.json'),
    },
    label,
  );
}

async function hasChatTemplate(path: string): Promise<boolean> {
  for (const name of ['chat_template.jinja', 'chat_template.json']) {
    if ((await stat(join(path, name)).catch(() => null)) !== null) return true;
  }
  const tokenizer: JsonObject = (await readJsonFile(join(path, 'tokenizer_config.json'))) ?? {};
  return tokenizer['chat_template'] !== undefined && tokenizer['chat_template'] !== null;
}

interface Shards {
  readonly tensors: readonly SafetensorsTensor[];
  readonly bytesOnDisk: number;
}

async function readShards(path: string, files: FolderFiles): Promise<Shards> {
  const index = files.shardIndex === null ? null : await readIndex(files.shardIndex);
  const paths = index === null ? plainShards(files) : [...index.keys()];
  const tensors: SafetensorsTensor[] = [];
  const names = new Set<string>();
  let bytesOnDisk = 0;
  for (const file of paths) {
    if (index !== null && (await stat(file).catch(() => null)) === null) {
      refuseMissing(path, paths);
    }
    await using source = await openFileSource(file);
    const header = await readSafetensors(source, file);
    bytesOnDisk += source.size;
    checkAnnounced(file, header.tensors, index?.get(file));
    for (const tensor of header.tensors) {
      if (names.has(tensor.name)) corrupt(file, `tensor \`${tensor.name}\` is in two files`);
      names.add(tensor.name);
      tensors.push(tensor);
    }
  }
  return { tensors, bytesOnDisk };
}

function corrupt(path: string, because: string): never {
  fail('HL_MODEL_CORRUPT', { path, because });
}

function refuseMissing(path: string, shards: readonly string[]): never {
  fail('HL_MODEL_CORRUPT', {
    path,
    because: `of its ${shards.length} weight files some are not here`,
    hint: 'fetch the model again; the download was not finished',
  });
}

function checkAnnounced(
  file: string,
  tensors: readonly SafetensorsTensor[],
  announced: readonly string[] | undefined,
): void {
  if (announced === undefined) return;
  const present = new Set(tensors.map((tensor) => tensor.name));
  const missing = announced.find((name) => !present.has(name));
  if (missing !== undefined)
    corrupt(file, `it lacks tensor \`${missing}\`, which the index puts there`);
}

/** Without an index: the model's own files, not a second copy under another naming scheme. */
function plainShards(files: FolderFiles): readonly string[] {
  const model = files.safetensors.filter((file) => basename(file).startsWith('model'));
  return model.length > 0 ? model : files.safetensors;
}

/** Which tensors the index puts into which file. */
async function readIndex(path: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const map = (await readJsonFile(path))?.['weight_map'];
  if (!isJsonObject(map)) return corrupt(path, 'it has no `weight_map`');
  const shards = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !/^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/.test(file)) {
      corrupt(path, `it puts tensor \`${tensor}\` into ${JSON.stringify(file)?.slice(0, 80)}`);
    }
    const full = join(dirname(path), file);
    const list = shards.get(full);
    if (list === undefined) shards.set(full, [tensor]);
    else list.push(tensor);
  }
  if (shards.size === 0 || shards.size > SHARDS_MAX) corrupt(path, `it names ${shards.size} files`);
  return shards;
}
