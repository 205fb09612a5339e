/**
 * What cannot work is said before anything is started for it. The Python of these homes answers what
 * version it is and writes down everything else it is asked: an installer, a guard, an engine.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ENGINES } from '../../src/engines/all.gen.ts';
import { writeModelFolder } from '../fixtures/models/safetensors-writer.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { runsHere } from '../support/suite.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { cli, filtered, transcript } from './transcript.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const GIB = 2 ** 30;

/** Slow engines (minutes pass before one sees the model) that a machine without a card can have. */
const SLOW = ENGINES.filter(
  ({ environments, isEmbedded }) =>
    isEmbedded !== true && environments.some(({ when }) => when.devices.includes('cpu')),
);

const log = (): string => join(home.path, 'python.log');
const asked = (): string => (existsSync(log()) ? readFileSync(log(), 'utf8') : '');

/** A Python of `version`; as the whole PATH, or where a file has to lie. */
function writePython(file: string, version: string): void {
  const script = [
    '#!/bin/sh',
    'case "$*" in',
    `  *sys.version_info*) echo "${file}"; echo ${version};;`,
    `  *) echo "$*" >> "${log()}"; exit 1;;`,
    'esac',
  ].join('\n');
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, `${script}\n`);
  chmodSync(file, 0o755);
}

function pythonOnly(version: string): Record<string, string> {
  const folder = join(home.path, 'bin');
  writePython(join(folder, 'python3'), version);
  return { PATH: folder };
}

/** Makes it look installed; its interpreter is the one that writes down. */
function pretendInstalled(id: string): void {
  const engine = ENGINES.find((candidate) => candidate.id === id);
  const recipe = engine?.environments[0]?.id ?? 'cpu';
  const version = engine?.versionPinned ?? '1.0.0';
  const folder = join(home.path, 'data', 'engines', id, `${version}-${recipe}`);
  writePython(join(folder, 'bin', 'python'), '3.12.0');
  const marker = { version, recipe, build: id, devices: ['cpu'], bytesOnDisk: 1 };
  writeFileSync(join(folder, 'hyperllama-environment.json'), JSON.stringify(marker));
}

/** A model folder of so many bytes, all of them a hole in one file. */
function largeModel(bytes: number): string {
  const hidden = 8192;
  const rows = Math.ceil(bytes / 2 / hidden);
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    dtype: 'bfloat16',
    hidden_size: hidden,
    num_hidden_layers: 1,
    num_attention_heads: 64,
    num_key_value_heads: 8,
    head_dim: 128,
    max_position_embeddings: 8192,
    vocab_size: rows,
  };
  const name = 'model.embed_tokens.weight';
  const shards = { 'model.safetensors': [{ name, dtype: 'BF16', shape: [rows, hidden] }] };
  return writeModelFolder(join(home.path, 'model'), config, shards);
}

const run = async (
  args: readonly string[],
  env: Record<string, string>,
  prefix: readonly string[] = [],
): ReturnType<typeof cli> => await cli(args, { home: home.path, env, prefix });

describe.each(SLOW.map(({ id }) => id))('with %s installed', (id) => {
  it('a model folder that is not there is refused, and no process is started', async () => {
    pretendInstalled(id);
    const missing = join(home.path, 'no-such-folder');
    const result = await run(['generate', missing, 'hi', '--engine', id], pythonOnly('3.12.0'));
    expect([result.code, asked()]).toEqual([5, '']);
    expect(result.stderr).toContain('no-such-folder');
  });

  it('a folder without weights is refused, and no process is started', async () => {
    pretendInstalled(id);
    const folder = join(home.path, 'empty');
    mkdirSync(folder);
    const result = await run(['generate', folder, 'hi', '--engine', id], pythonOnly('3.12.0'));
    expect(result.code).not.toBe(0);
    expect(asked()).toBe('');
    expect(result.stderr).toContain('empty');
  });

  it('a model that needs more memory than there is is refused, naming both', async () => {
    pretendInstalled(id);
    const folder = largeModel(3000 * GIB);
    const result = await run(['generate', folder, 'hi', '--engine', id], pythonOnly('3.12.0'));
    expect([result.code, asked()]).toEqual([3, '']);
    expect(result.stderr).toMatch(/\d{4}\.\d GiB/);
  });
});

const mountProblem = ((): string | null => {
  if (process.platform !== 'linux') return 'mount namespaces are a feature of Linux';
  const tried = spawnSync('unshare', ['-m', 'true']);
  return tried.status === 0 ? null : 'a mount namespace needs root';
})();

/** With a data folder of one MiB. */
function smallDisk(): readonly string[] {
  const folder = join(home.path, 'data');
  mkdirSync(folder, { recursive: true });
  const script = `mount -t tmpfs -o size=1m none ${folder} && exec "$@"`;
  return [
    '/usr/bin/env',
    `PATH=${process.env['PATH']}`,
    'unshare',
    '-m',
    '/bin/sh',
    '-c',
    script,
    'sh',
  ];
}

describe('an install', () => {
  it
    .runIf(runsHere('a disk too small for an install', mountProblem))
    .each(SLOW.map(({ id }) => id))(
    'of %s on a disk too small for it is refused before a question and before a download',
    async (id) => {
      const env = pythonOnly('3.12.0');
      const install = await run(['engines', 'install', id], env, smallDisk());
      expect([install.code, asked()]).toEqual([1, '']);
      expect(filtered(install.stderr, home.path)).toContain('has SIZE free, but SIZE is needed');
    },
  );

  it('of an engine that needs a newer Python names it, with the command that mends it', async () => {
    const module = engineModule({ pythonMin: '3.13' });
    const env = { ...pythonOnly('3.12.1'), HYPERLLAMA_TEST_ENGINE: module };
    const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
    for (const args of [
      ['engines', 'install', 'fake'],
      ['generate', model, 'hi', '--engine', 'fake'],
    ]) {
      expect(transcript(await run(args, env), home.path)).toMatchInlineSnapshot(`
        "exit 1
        --- stderr
        error: \`~/bin/python3\` is Python 3.12.1, but 3.13 or newer is needed

        hint: install a newer Python and name it with \`--python /path/to/python3\`"
      `);
    }
    expect(asked()).toBe('');
  });

  it('of an engine without wheels for this Python names both before any question', async () => {
    const module = engineModule({ pythonMax: '3.12' });
    const env = { ...pythonOnly('3.13.1'), HYPERLLAMA_TEST_ENGINE: module };
    const install = await run(['engines', 'install', 'fake'], env);
    expect(transcript(install, home.path)).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/bin/python3\` is Python 3.13.1, but 3.10 to 3.12 is needed

      hint: install Python 3.12 beside it and name it with \`--python /path/to/python3.12\`"
    `);
    expect(asked()).toBe('');
  });

  it('of an engine that needs a newer C library says so, and starts nothing', async () => {
    const module = engineModule({ platforms: ['linux'], glibcMin: '99.0' });
    const env = { ...pythonOnly('3.12.1'), HYPERLLAMA_TEST_ENGINE: module };
    const result = await run(['engines', 'install', 'fake', '--json'], env);
    expect([result.code, asked()]).toEqual([3, '']);
    expect(JSON.parse(result.stdout)).toMatchObject({
      error: { code: 'HL_ENGINE_UNUSABLE', hint: expect.any(String) },
    });
  });
});

/** The fake engine with other requirements. */
function engineModule(requirements: object): string {
  const file = join(home.path, 'engine.mjs');
  const fixture = fileURLToPath(new URL('../fixtures/fake-engine/engine.ts', import.meta.url));
  writeFileSync(
    file,
    `import { engine as fake, serviceFolder } from ${JSON.stringify(fixture)};
export { serviceFolder };
const requirements = { ...fake.requirements, ...${JSON.stringify(requirements)} };
export const engine = { ...fake, requirements };
`,
  );
  return file;
}
