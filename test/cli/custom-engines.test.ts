/** Engines and servers of the user's own: used like any other, and what is said when they fail. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  fakeCommand,
  startFakeServer,
  startPageServer,
  type PageServer,
} from '../support/attached-server.ts';
import { startCli, type CliResult, type RunningCli } from '../support/cli.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import {
  describeProcesses,
  enginesOfHome,
  hasVariable,
  processesOfHome,
  until,
} from '../support/processes.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { written } from './asking.ts';
import { cli, CLI_DEADLINE_MS, transcript } from './transcript.ts';

const JAPAN = 'What is the capital of Japan?';
const TOKYO = 'The capital of Japan is Tokyo.';
/** The guard's own end after the last lease; ten times what it takes. */
const EMPTY_DEADLINE_MS = 20_000;

let home: TemporaryHome;
let model: string;
beforeEach(() => {
  home = temporaryHome();
  model = writeTinyGguf(join(home.path, 'tiny.gguf'));
});
afterEach(() => home[Symbol.dispose]());

/** Writes `engines.custom.mine` into the user file of the home. */
function configure(settings: Readonly<Record<string, unknown>>): void {
  mkdirSync(join(home.path, 'config'), { recursive: true });
  // JSON is YAML.
  const text = JSON.stringify({ engines: { custom: { mine: settings } } });
  writeFileSync(join(home.path, 'config', 'config.yaml'), text);
}

const command = (...more: readonly string[]): readonly string[] =>
  fakeCommand('--model', '{model}', ...more);

async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  return await cli(args, { home: home.path, env });
}

/** `generate` in the background, for what happens in mid-answer. */
function asking(more: { readonly env?: Readonly<Record<string, string>> } = {}): RunningCli {
  const env = { HOME: home.path, HYPERLLAMA_TEST_ENGINE: '', ...more.env };
  const options = { home: home.path, deadlineMs: CLI_DEADLINE_MS, env };
  return startCli(['generate', model, 'count', '--engine', 'mine'], options);
}

async function seen(...args: readonly string[]): Promise<string> {
  return hidePorts(transcript(await run(args), home.path));
}

const hidePorts = (text: string): string => text.replaceAll(/127\.0\.0\.1:\d+/g, 'HOST:PORT');

async function expectNothingLeft(): Promise<void> {
  const isEmpty = (): boolean => processesOfHome(home.path).length === 0;
  await until('an empty home', isEmpty, EMPTY_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(processesOfHome(home.path))).toBe('');
}

describe('a custom engine', () => {
  it.each([
    ['--socket', '{socket}'],
    ['--host', '{host}', '--port', '{port}'],
  ])('answers at %s %s, under the guard, and is gone afterwards', async (...address) => {
    configure({ command: command(...address), formats: ['gguf'] });
    const result = await run(['generate', model, JAPAN, '--engine', 'mine', '--json']);
    expect([result.code, result.stderr]).toEqual([0, '']);
    expect(JSON.parse(result.stdout)).toMatchObject({
      text: TOKYO,
      engine: { id: 'mine', isUnmanaged: false },
      model: { format: 'gguf' },
    });
    await expectNothingLeft();
  });

  it('is listed, planned and stopped like any other', async () => {
    configure({ command: command('--socket', '{socket}'), formats: ['gguf'] });
    const list = JSON.parse((await run(['engines', '--json'])).stdout) as {
      readonly engines: readonly { readonly id: string }[];
    };
    expect(list.engines.find(({ id }) => id === 'mine')).toMatchObject({
      installed: true,
      usable: true,
      custom: 'command',
      reasons: [],
    });
    const plan = await run(['plan', model, '--engine', 'mine']);
    expect(plan.stdout).toContain('--socket {socket}');
    expect(plan.stdout).toContain('a unix socket that only this user can reach');
    const kept = await run(['generate', model, JAPAN, '--engine', 'mine', '--keep-alive', '5m']);
    expect([kept.code, kept.stdout]).toEqual([0, `${TOKYO}\n`]);
    const ps = JSON.parse((await run(['ps', '--json'])).stdout) as object;
    expect(ps).toMatchObject({
      sessions: [
        { engine: 'mine', version: null, state: 'ready', format: 'gguf', quantization: 'fp32' },
      ],
      unmanaged: [],
    });
    expect((await run(['stop', 'mine'])).code).toBe(0);
    await expectNothingLeft();
  });

  it('is timed by bench', async () => {
    configure({ command: command('--socket', '{socket}'), formats: ['gguf'] });
    const words = ['-i', '2', '--warmup', '0', '--max-tokens', '4', '--engine', 'mine', '--json'];
    const result = JSON.parse((await run(['bench', model, ...words])).stdout) as object;
    expect(result).toMatchObject({ cells: [{ engine: { id: 'mine', isUnmanaged: false } }] });
    await expectNothingLeft();
  });

  it('is ended with its whole tree by kill -9 of the command', async () => {
    const words = command('--socket', '{socket}', '--fault', 'tree', '--fault', 'hang-decode=3');
    configure({ command: words, formats: ['gguf'] });
    const running = asking();
    await written(running, 'stdout', 'three');
    expect(processesOfHome(home.path).length).toBeGreaterThan(2);
    running.child.kill('SIGKILL');
    await running.result;
    await expectNothingLeft();
  });

  it.runIf(process.platform === 'linux')(
    'sees its own variables, not those of the caller',
    async () => {
      const words = command('--socket', '{socket}', '--fault', 'hang-decode=3');
      configure({ command: words, formats: ['gguf'], environment: { MINE: 'yes' } });
      const running = asking({ env: { MY_TOKEN: 'CANARY' } });
      await written(running, 'stdout', 'three');
      const engines = enginesOfHome(home.path);
      expect(engines.length).toBe(1);
      for (const engine of engines) {
        expect(hasVariable(engine, 'MINE', 'yes')).toBe(true);
        expect(engine.environment).not.toContain('CANARY');
      }
      running.child.kill('SIGINT');
      expect((await running.result).code).toBe(130);
      await expectNothingLeft();
    },
  );

  it('whose page for being ready does not exist is given up at --timeout', async () => {
    configure({ command: command('--socket', '{socket}'), formats: ['gguf'], ready: '/nowhere' });
    const text = await seen('generate', model, 'hi', '--engine', 'mine', '--timeout', '5s');
    expect(text).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine gave up in phase \`load\` after TIME: longer than the TIME allowed
        | I listening on ~/run/KEY/e.sock
        | I model loaded

      hint: look at the log lines above; \`--timeout\` allows a longer start"
    `);
    await expectNothingLeft();
  });

  it('that listens elsewhere than it was told is never talked to', async () => {
    const words = command('--host', '{host}', '--port', '{port}', '--fault', 'stranger-port');
    configure({ command: words, formats: ['gguf'] });
    const result = await run(['generate', model, 'hi', '--engine', 'mine', '--timeout', '3s']);
    expect([result.code, result.stderr]).toEqual([
      6,
      expect.stringContaining('mine gave up in phase `start`'),
    ]);
    await expectNothingLeft();
  });

  it('whose program is not there is refused, naming it', async () => {
    configure({ command: 'no-such-server {model} {port}', formats: ['gguf'] });
    expect(await seen('generate', model, 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve tiny on this machine
        mine: \`no-such-server\` is not on PATH

      hint: install it, or give its absolute path in the \`command\` of the configuration"
    `);
    expect(await seen('engines', 'install', 'mine')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`mine\` comes from the configuration: HyperLlama neither installs, verifies nor removes it

      hint: \`hyperllama generate MODEL "Hi" --engine mine\` shows whether it works"
    `);
  });

  it('that ends at its start is shown with its last words', async () => {
    const words = command('--socket', '{socket}', '--fault', 'crash-at-start=3');
    configure({ command: words, formats: ['gguf'] });
    expect(await seen('generate', model, 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine ended in phase \`start\`: exit code 3
        | E cannot start: the fault \`crash-at-start\` says so

      hint: look at the log lines above; running the command again starts a new engine"
    `);
    await expectNothingLeft();
  });

  it('that loads another format is refused with the format it has', async () => {
    configure({ command: command('--socket', '{socket}'), formats: ['safetensors'] });
    expect(await seen('generate', model, 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve tiny on this machine
        mine: loads safetensors on the CPU, tiny is there as gguf fp32

      hint: name a version of the model in safetensors"
    `);
  });
});

describe('an attached server', () => {
  it('answers as it is, is called unmanaged, and lives on', async () => {
    await using server = await startFakeServer();
    configure({ url: server.url });
    const args = ['generate', 'smollm2:135m', JAPAN, '--engine', 'mine'];
    expect(await seen(...args)).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      The capital of Japan is Tokyo.

      --- stderr
       engine mine (unmanaged, http://HOST:PORT)   model tiny-served (asked for smollm2:135m)
       7 tok · SPEED · TTFT TIME · prompt 14 tok · unmanaged"
    `);
    const json = JSON.parse((await run([...args, '--json'])).stdout) as object;
    expect(json).toMatchObject({
      text: TOKYO,
      engine: { id: 'mine', version: null, isUnmanaged: true },
      model: { ref: 'smollm2:135m', served: 'tiny-served', format: null, sha256: null },
      timing: { startMs: 0 },
    });
    expect(server.isAlive()).toBe(true);
    expect(processesOfHome(home.path)).toEqual([]);
  });

  it('is listed, planned and shown by ps, and not stopped by stop --all', async () => {
    await using server = await startFakeServer();
    configure({ url: `${server.url}/v1` });
    expect((await run(['engines'])).stdout).toMatch(
      /^mine\b.* unmanaged +unknown +unknown +- +`hyperllama doctor` asks/m,
    );
    expect(await seen('plan', 'any-name', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      Chose mine, which was asked for
       server    http://HOST:PORT (unmanaged: HyperLlama neither starts nor stops it)
       model     the model of this name there, else its only one"
    `);
    // Columns are as wide as the number of the port.
    expect((await seen('ps')).replaceAll(/ {2,}/g, '  ')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      SESSION  ENGINE  MODEL  FORMAT  STATE  DEVICE  MEMORY  AGE
      unmanaged  mine (http://HOST:PORT)  tiny-served  unknown  answers  unknown  unknown  unknown"
    `);
    expect((await run(['stop', '--all'])).stdout).toBe('nothing is running\n');
    expect((await run(['doctor'])).stdout).toContain('unmanaged server at');
    expect(server.isAlive()).toBe(true);
  });

  it('is timed by bench under its label', async () => {
    await using server = await startFakeServer();
    configure({ url: server.url });
    const words = ['-i', '2', '--warmup', '0', '--max-tokens', '4', '--engine', 'mine'];
    const result = await run(['bench', 'any-name', ...words]);
    expect(result.stdout).toContain('mine (unmanaged, http://');
    expect(result.stdout).not.toContain('memory');
    expect(result.stderr).toContain('unmanaged: the weights, settings and other users');
    expect(result.stderr).toContain('2 answers of 4 tokens');
    const long = ['bench', 'm', JAPAN, '-i', '1', '--warmup', '0', '--max-tokens', '9000'];
    const short = await run([...long, '--engine', 'mine']);
    expect([short.code, short.stderr]).toEqual([
      0,
      expect.stringContaining('1 answer of at most 9000 tokens'),
    ]);
  });

  it('has no version and no format that we know: `null` in JSON', async () => {
    await using server = await startFakeServer();
    configure({ url: server.url });
    const engine = { id: 'mine', version: null, isUnmanaged: true };
    const plan = await run(['plan', 'm', '--engine', 'mine', '--json']);
    expect(JSON.parse(plan.stdout)).toMatchObject({ plan: { engine: { version: null } } });
    const answer = await run(['generate', 'm', JAPAN, '--engine', 'mine', '--json']);
    expect(JSON.parse(answer.stdout)).toMatchObject({ engine });
    const words = ['-i', '1', '--warmup', '0', '--max-tokens', '4', '--engine', 'mine', '--json'];
    expect(JSON.parse((await run(['bench', 'm', ...words])).stdout)).toMatchObject({
      cells: [{ engine }],
    });
  });

  it('is asked by doctor whether it is there', async () => {
    const finding = async (): Promise<unknown> => {
      const { stdout } = await run(['doctor', '--json']);
      const { findings } = JSON.parse(stdout) as { findings: { code: string }[] };
      return findings.find(({ code }) => code === 'mine');
    };
    await using server = await startFakeServer();
    configure({ url: server.url });
    expect(await finding()).toMatchObject({
      level: 'ok',
      because: `unmanaged server at \`${server.url}\`: answers`,
    });
    configure({ url: `unix:${home.path}/none.sock` });
    expect(await finding()).toMatchObject({
      level: 'bad',
      because: expect.stringContaining(': away'),
      hint: expect.stringContaining('engines.custom.mine.url'),
    });
    configure({ command: ['no-such-program', '--port', '{port}'], formats: ['gguf'] });
    expect(await finding()).toMatchObject({
      level: 'unmet',
      because: expect.stringContaining('no-such-program'),
    });
  });

  it('may listen on a socket, and says what has no effect on it', async () => {
    await using server = await startFakeServer({ socket: join(home.path, 'their.sock') });
    configure({ url: server.url });
    const words = ['--keep-alive', '5m', '--context', '4096'];
    expect(await seen('generate', 'm', JAPAN, '--engine', 'mine', ...words)).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      The capital of Japan is Tokyo.

      --- stderr
      warning: \`--keep-alive\` has no effect on a server that HyperLlama does not manage
      warning: \`--context\` has no effect on a server that HyperLlama does not manage
       engine mine (unmanaged, unix:~/their.sock)   model tiny-served (asked for m)
       7 tok · SPEED · TTFT TIME · prompt 14 tok · unmanaged"
    `);
    expect(server.isAlive()).toBe(true);
  });

  it('that is killed in mid-answer is named, with what it had said', async () => {
    await using server = await startFakeServer({ faults: ['hang-decode=3'] });
    configure({ url: server.url });
    const running = asking();
    await written(running, 'stdout', 'three');
    server.child.kill('SIGKILL');
    expect(hidePorts(transcript(await running.result, home.path))).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three

      --- stderr
       engine mine (unmanaged, http://HOST:PORT)   model tiny-served (asked for ~/tiny.gguf)
      error: mine at \`http://HOST:PORT\`: the connection broke in mid-answer (other side closed)

      hint: HyperLlama does not manage this server: see whether it runs, and whether \`engines.custom.mine.url\` is right; \`hyperllama engines list --discover\` shows what answers here"
    `);
  });

  it('lives on when the answer is cancelled', async () => {
    await using server = await startFakeServer({ faults: ['token-delay=50'] });
    configure({ url: server.url });
    const running = asking();
    await written(running, 'stdout', 'three');
    running.child.kill('SIGINT');
    const result = await running.result;
    expect([result.code, server.isAlive()]).toEqual([130, true]);
  });

  it('that is not there is named with its address', async () => {
    const server = await startPageServer(() => undefined);
    await server[Symbol.asyncDispose]();
    configure({ url: server.url });
    expect(await seen('generate', 'm', 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine at \`http://HOST:PORT\`: connection refused

      hint: HyperLlama does not manage this server: see whether it runs, and whether \`engines.custom.mine.url\` is right; \`hyperllama engines list --discover\` shows what answers here"
    `);
    configure({ url: `unix:${home.path}/none.sock` });
    expect(await seen('generate', 'm', 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine at \`unix:~/none.sock\`: there is no such socket

      hint: HyperLlama does not manage this server: see whether it runs, and whether \`engines.custom.mine.url\` is right; \`hyperllama engines list --discover\` shows what answers here"
    `);
  });
});

/** A server that lists `models` where the key is right, and generates nothing. */
async function lister(models: readonly string[], key: string | null): Promise<PageServer> {
  return await startPageServer((request, response) => {
    const isOpen = key === null || request.headers.authorization === `Bearer ${key}`;
    const isList = request.url === '/v1/models';
    response.statusCode = isOpen ? (isList ? 200 : 500) : 401;
    // Some repeat what they were sent.
    const message = `broken, with ${request.headers.authorization ?? 'no key'}`;
    const page = isList ? { data: models.map((id) => ({ id })) } : { error: { message } };
    response.end(JSON.stringify(isOpen ? page : { error: { message: 'no' } }));
  });
}

describe('a server that refuses', () => {
  it('for want of a key, or a wrong one, is named; the key is nowhere', async () => {
    await using server = await lister(['a'], 'right');
    configure({ url: server.url });
    expect(await seen('generate', 'a', 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine at \`http://HOST:PORT\` asks for a key (status 401)

      hint: put the key into a variable and name it: \`engines.custom.mine.key: $SERVER_KEY\`"
    `);
    configure({ url: server.url, key: '$MY_KEY' });
    expect(await seen('generate', 'a', 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: configuration \`~/config/config.yaml\`: \`engines.custom.mine.key\`: the variable \`MY_KEY\` is not set

      hint: set it in the environment of this command"
    `);
    const CANARY = 'CANARY-0123456789';
    const words = ['generate', 'a', 'hi', '--engine', 'mine', '--verbose'];
    const wrong = await run(words, { MY_KEY: CANARY });
    expect(server.seen.at(-1)).toBe(`GET /v1/models Bearer ${CANARY}`);
    expect(hidePorts(transcript(wrong, home.path))).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine at \`http://HOST:PORT\` refuses the key in \`$MY_KEY\` (status 401)

      hint: put the right key into the variable"
    `);
    for (const unusable of ['', `${CANARY}\n`]) {
      expect((await run(['ps'], { MY_KEY: unusable })).stdout).toContain('wants a key');
      expect(server.seen.at(-1)).toBe('GET /v1/models no key');
    }
    for (const more of [['plan', 'a', '--engine', 'mine', '--json'], ['ps'], ['config']]) {
      expect((await run(more, { MY_KEY: CANARY })).stdout).not.toContain(CANARY);
    }
    const kept = readdirSync(home.path, { recursive: true })
      .map((name) => join(home.path, String(name)))
      .filter((path) => statSync(path).isFile())
      .filter((path) => readFileSync(path, 'latin1').includes(CANARY));
    expect(kept).toEqual([]);
  });

  it('to generate although it lists its models is found out before the request', async () => {
    await using server = await lister(['a'], 'CANARY');
    configure({ url: server.url, key: '$MY_KEY' });
    const words = ['generate', 'a', 'hi', '--engine', 'mine'];
    const result = await run(words, { MY_KEY: 'CANARY' });
    expect(hidePorts(transcript(result, home.path))).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine at \`http://HOST:PORT\`: first token: status 500, broken, with Bearer [redacted]

      hint: the server lists its models but does not generate: its own log says why"
    `);
  });

  it('a model it does not have is named with those it has', async () => {
    await using server = await lister(['a', 'b'], null);
    configure({ url: server.url, model: 'c' });
    expect(await seen('generate', 'a', 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: mine at \`http://HOST:PORT\` has no model \`c\`; it has \`a\`, \`b\`

      hint: name one of them with \`engines.custom.mine.model\`"
    `);
    configure({ url: server.url });
    expect(await seen('generate', 'x', 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: mine at \`http://HOST:PORT\` serves 2 models, and none of them is named: \`a\`, \`b\`

      hint: name one of them with \`engines.custom.mine.model\`, or in place of the model"
    `);
  });

  it('to be a model server at all is named with what it said', async () => {
    await using server = await startPageServer((_, response) => response.end('<html>hello</html>'));
    configure({ url: `${server.url}/blog` });
    expect(await seen('generate', 'm', 'hi', '--engine', 'mine')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: mine at \`http://HOST:PORT/blog\`: \`GET /blog/v1/models\` gave something that is no list of models

      hint: HyperLlama does not manage this server: see whether it runs, and whether \`engines.custom.mine.url\` is right; \`hyperllama engines list --discover\` shows what answers here"
    `);
  });
});
