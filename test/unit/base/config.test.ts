/** Which settings are in force and where each comes from; a mistake in a file is an error. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, PROJECT_FILE, type Config } from '../../../src/base/config.ts';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const userFile = (): string => join(home.path, 'config', 'config.yaml');
const projectFile = (): string => join(home.path, 'project', PROJECT_FILE);

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

async function load(env: NodeJS.ProcessEnv = {}): Promise<Config> {
  const workingFolder = join(home.path, 'project', 'deep', 'er');
  mkdirSync(workingFolder, { recursive: true });
  return await loadConfig({ configFolder: join(home.path, 'config'), workingFolder, env });
}

/** The message of the error that loading throws, with the home's path cut out. */
async function complaint(env: NodeJS.ProcessEnv = {}): Promise<string> {
  const thrown: unknown = await load(env).catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  expect(thrown.code).toBe('HL_CONFIG_INVALID');
  return thrown.message.replaceAll(home.path, '~');
}

describe('settings', () => {
  it('are the defaults where nothing says otherwise, and say so', async () => {
    const config = await load();
    expect(Object.values(config).every(({ origin }) => origin === 'default')).toBe(true);
    expect(config.device.value).toBe('auto');
  });

  it('come from variable over project file over user file over default', async () => {
    write(userFile(), 'device: cpu\nengine: from-user\npython: /user/python\n');
    write(projectFile(), 'device: gpu\nengine: from-project\n');
    const config = await load({ HYPERLLAMA_DEVICE: 'auto', HYPERLLAMA_ENGINE: '' });
    expect(config.device).toEqual({ value: 'auto', origin: 'HYPERLLAMA_DEVICE' });
    expect(config.engine).toEqual({ value: 'from-project', origin: projectFile() });
    expect(config.python).toEqual({ value: '/user/python', origin: userFile() });
  });

  it('in tables are merged key by key, the nearer file winning', async () => {
    write(userFile(), 'aliases: {a: user-a, b: user-b}\nengines: {x: {k: "1", l: "2"}}\n');
    write(projectFile(), 'aliases: {b: project-b}\nengines: {x: {l: "3"}, y: {m: "4"}}\n');
    const { aliases, engines } = await load();
    expect(aliases.value).toEqual({ a: 'user-a', b: 'project-b' });
    expect(engines.value).toEqual({ x: { k: '1', l: '3' }, y: { m: '4' } });
    expect(aliases.origin).toBe(projectFile());
  });

  it('come from the nearest project file upwards only', async () => {
    write(projectFile(), 'engine: outer\n');
    write(join(home.path, 'project', 'deep', PROJECT_FILE), 'device: cpu\n');
    const config = await load();
    expect([config.engine.value, config.device.value]).toEqual([null, 'cpu']);
  });

  it('of an empty file are the defaults', async () => {
    write(userFile(), '\n# nothing yet\n');
    expect((await load()).engine).toEqual({ value: null, origin: 'default' });
  });
});

describe('a mistake', () => {
  it('in a key is named with the key that was meant', async () => {
    write(userFile(), 'devise: cpu\n');
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/config/config.yaml\`: there is no setting \`devise\`; did you mean \`device\`?"`,
    );
  });

  it('in a value is named with what is allowed', async () => {
    write(projectFile(), 'device: tpu\n');
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/project/hyperllama.yaml\`: \`device\`: got \`tpu\`, expected one of \`auto\`, \`cpu\`, \`gpu\`"`,
    );
  });

  it('in a variable names the variable', async () => {
    expect(await complaint({ HYPERLLAMA_DEVICE: 'tpu' })).toMatchInlineSnapshot(
      `"configuration \`HYPERLLAMA_DEVICE\`: \`device\`: got \`tpu\`, expected one of \`auto\`, \`cpu\`, \`gpu\`"`,
    );
  });

  it('deep in a table is named by its path', async () => {
    write(userFile(), 'engines:\n  x:\n    threads: 4\n');
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/config/config.yaml\`: \`engines.x.threads\`: got \`4\`, expected a text (in quotes)"`,
    );
  });

  it('of YAML is named with its line', async () => {
    write(userFile(), 'device: cpu\n  engine: [\n');
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/config/config.yaml\`: Nested mappings are not allowed in compact mappings at line 1, column 9"`,
    );
  });

  it('of shape, a list, is named', async () => {
    write(userFile(), '- device\n');
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/config/config.yaml\`: got a list, expected a table of settings"`,
    );
  });

  it('of size is refused before it is parsed', async () => {
    write(userFile(), `# ${'x'.repeat(1024 * 1024)}\n`);
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/config/config.yaml\`: is larger than 1048576 bytes"`,
    );
  });

  it('of multiplied aliases is refused, not expanded', async () => {
    const rows = Array.from({ length: 30 }, (_, n) => `k${n + 1}: &a${n + 1} [*a${n}, *a${n}]`);
    write(userFile(), `k0: &a0 x\n${rows.join('\n')}\n`);
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/config/config.yaml\`: Excessive alias count indicates a resource exhaustion attack"`,
    );
  });

  it('of kind, a folder in place of the file, is named', async () => {
    mkdirSync(userFile(), { recursive: true });
    expect(await complaint()).toMatchInlineSnapshot(
      `"configuration \`~/config/config.yaml\`: cannot be read (EISDIR)"`,
    );
  });
});
