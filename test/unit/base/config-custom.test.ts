/** `engines.custom` of the configuration: what it becomes, and how a mistake in it is named. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, PROJECT_FILE, type Config } from '../../../src/base/config.ts';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import { WEIGHT_FORMATS } from '../../../src/models/model.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

async function load(text: string, project: string | null = null): Promise<Config> {
  const configFolder = join(home.path, 'config');
  mkdirSync(configFolder, { recursive: true });
  writeFileSync(join(configFolder, 'config.yaml'), text);
  if (project !== null) writeFileSync(join(home.path, PROJECT_FILE), project);
  return await loadConfig({ configFolder, workingFolder: home.path, env: {} });
}

/** The settings of `mine`, written as the lines under its name. */
async function mine(...lines: readonly string[]): Promise<unknown> {
  const { custom } = await load(tableOf(lines));
  return custom.value['mine'];
}

const tableOf = (lines: readonly string[]): string =>
  `engines:\n  custom:\n    mine:\n${lines.map((line) => `      ${line}\n`).join('')}`;

async function complaint(...lines: readonly string[]): Promise<string> {
  return await wordsOf(load(tableOf(lines)));
}

async function wordsOf(loading: Promise<unknown>): Promise<string> {
  const thrown: unknown = await loading.catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  expect(thrown.code).toBe('HL_CONFIG_INVALID');
  return thrown.message.replaceAll(home.path, '~').replace(/^configuration `[^`]+`: /, '');
}

const COMMAND = 'command: server --model {model} --port {port}';
const FORMATS = 'formats: [gguf]';

describe('a command', () => {
  it('is split into words, and the rest has defaults', async () => {
    expect(await mine(`command: server --name "a b" --at {socket}`, FORMATS)).toEqual({
      kind: 'command',
      words: ['server', '--name', 'a b', '--at', '{socket}'],
      listen: 'unix',
      ready: '/v1/models',
      formats: ['gguf'],
      devices: ['cpu', 'nvidia', 'amd', 'intel', 'apple'],
      environment: {},
      model: null,
      startSeconds: 1800,
    });
  });

  it('is taken word by word from a list', async () => {
    const settings = await mine(`command: [/opt/x y/server, '{"a": 1}', '{port}']`, FORMATS);
    expect(settings).toMatchObject({
      words: ['/opt/x y/server', '{"a": 1}', '{port}'],
      listen: 'tcp',
    });
  });

  it('may load every format there is', async () => {
    const settings = await mine(COMMAND, `formats: [${WEIGHT_FORMATS.join(', ')}]`);
    expect(settings).toMatchObject({ formats: WEIGHT_FORMATS });
  });

  it.each([
    [
      [COMMAND],
      '`engines.custom.mine.formats`: is missing, expected a list of `gguf`, `safetensors`, `awq`, `gptq`, `fp8`, `mlx`, `exl2`, `exl3`',
    ],
    [
      ['command: server --port {port} --model {modle}', FORMATS],
      '`engines.custom.mine.command`: there is no placeholder `{modle}`; did you mean `{model}`?',
    ],
    [
      ['command: server --model {model}', FORMATS],
      '`engines.custom.mine.command`: holds neither `{port}` nor `{socket}`, expected one: where it shall listen',
    ],
    [
      ['command: server "{port}', FORMATS],
      '`engines.custom.mine.command`: has a quote that is not closed, or ends in a backslash',
    ],
    [
      ['command: ./server {port}', FORMATS],
      '`engines.custom.mine.command`: `./server` is neither an absolute path nor a name on PATH',
    ],
    [
      [`command: [server, '{port}', 8]`, FORMATS],
      '`engines.custom.mine.command.2`: got `8`, expected a text (in quotes)',
    ],
    [
      ['command: 8', FORMATS],
      '`engines.custom.mine.command`: expected a text, or a list with one word each',
    ],
    [[COMMAND, 'formats: gguf'], '`engines.custom.mine.formats`: got `gguf`, expected a list'],
    [
      [COMMAND, 'formats: [ggml]'],
      '`engines.custom.mine.formats.0`: got `ggml`, expected one of `gguf`, `safetensors`, `awq`, `gptq`, `fp8`, `mlx`, `exl2`, `exl3`',
    ],
    [
      [COMMAND, FORMATS, 'dialect: ollama'],
      '`engines.custom.mine.dialect`: got `ollama`, expected one of `openai`',
    ],
    [
      [COMMAND, FORMATS, 'startSeconds: soon'],
      '`engines.custom.mine.startSeconds`: got `soon`, expected a number',
    ],
    [
      [COMMAND, FORMATS, 'startSeconds: 0'],
      '`engines.custom.mine.startSeconds`: is not more than 0',
    ],
    [
      [COMMAND, FORMATS, 'ready: health'],
      '`engines.custom.mine.ready`: got `health`, expected a path such as `/health`',
    ],
    [
      [COMMAND, FORMATS, 'key: $K'],
      '`engines.custom.mine.key`: belongs to an engine with `url`, this one has `command`',
    ],
    [
      [COMMAND, FORMATS, 'fromats: [gguf]'],
      '`engines.custom.mine`: there is no setting `fromats`; did you mean `formats`?',
    ],
    [
      [COMMAND, 'url: http://h:1'],
      '`engines.custom.mine`: has both `command` (an engine to start) and `url` (a server that runs)',
    ],
    [
      [FORMATS],
      '`engines.custom.mine`: has neither `command` (an engine to start) nor `url` (a server that runs)',
    ],
  ])('is refused by its key: %j', async (lines, words) => {
    expect(await complaint(...lines)).toBe(words);
  });
});

describe('a server', () => {
  it.each([
    ['http://127.0.0.1:8000', 'http://127.0.0.1:8000', '', 8000],
    ['http://127.0.0.1:8000/v1/', 'http://127.0.0.1:8000', '', 8000],
    ['http://h/engines/v1', 'http://h:80/engines', '/engines', 80],
    ['http://[::1]:9/a', 'http://[::1]:9/a', '/a', 9],
  ])('at %s is shown as %s', async (text, url, base, port) => {
    const settings = await mine(`url: ${text}`);
    expect(settings).toMatchObject({ kind: 'server', url, base, address: { port } });
  });

  it.each(['unix:/run/x.sock', 'unix:///run/x.sock'])('may be a socket: %s', async (text) => {
    const address = { kind: 'unix', path: '/run/x.sock' };
    expect(await mine(`url: ${text}`)).toMatchObject({ url: 'unix:/run/x.sock', address });
  });

  it('has its key in a variable', async () => {
    expect(await mine('url: http://h:1', 'key: $MY_KEY')).toMatchObject({ keyVariable: 'MY_KEY' });
  });

  const EXPECTED =
    'expected `http://HOST:PORT`, with a path where the server has one, or `unix:/PATH/OF/SOCKET`';
  it.each([
    [['url: localhost:8000'], `\`engines.custom.mine.url\`: ${EXPECTED}`],
    [['url: http://ann:CANARY@h:1'], `\`engines.custom.mine.url\`: ${EXPECTED}`],
    [['url: http://h:1/?key=CANARY'], `\`engines.custom.mine.url\`: ${EXPECTED}`],
    [
      ['url: https://h:1'],
      `\`engines.custom.mine.url\`: this version speaks no TLS to servers; ${EXPECTED}`,
    ],
    [['url: 8000'], '`engines.custom.mine.url`: got `8000`, expected a text (in quotes)'],
    [
      ['url: http://h:1', 'key: sk-CANARY'],
      '`engines.custom.mine.key`: expected the name of a variable, such as `$SERVER_KEY`, never the key itself',
    ],
    [
      ['url: http://h:1', 'ready: /health'],
      '`engines.custom.mine.ready`: belongs to an engine with `command`, this one has `url`',
    ],
  ])('is refused by its key, without repeating a secret: %j', async (lines, words) => {
    expect(await complaint(...lines)).toBe(words);
    expect(words).not.toContain('CANARY');
  });
});

describe('the table', () => {
  it('refuses a name that no command line could hold', async () => {
    const words = await wordsOf(load('engines: {custom: {My Engine: {url: "http://h:1"}}}'));
    expect(words).toBe(
      '`engines.custom.My Engine`: the name of an engine has 1 to 32 small letters, digits and hyphens',
    );
  });

  it('leaves the settings of built-in engines what they were', async () => {
    const { engines, custom } = await load(
      'engines: {x: {k: "1"}, custom: {y: {url: "http://h:1"}}}',
    );
    expect(engines.value).toEqual({ x: { k: '1' } });
    expect(Object.keys(custom.value)).toEqual(['y']);
  });

  it('is refused in a project file, which may be somebody else’s', async () => {
    const words = await wordsOf(load('', tableOf(['url: http://h:1'])));
    expect(words).toBe(
      '`engines.custom`: is read from `~/config/config.yaml` only, because a project may come from somebody else',
    );
  });
});

describe('the examples of the documentation', () => {
  const page = readFileSync(new URL('../../../docs/custom-engines.md', import.meta.url), 'utf8');
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

  it('are there', () => {
    expect(examples.length).toBeGreaterThan(7);
  });

  it.each(examples)('can be pasted: %s', async (text) => {
    const { custom } = await load(text);
    expect(Object.keys(custom.value).length).toBeGreaterThan(0);
  });
});
