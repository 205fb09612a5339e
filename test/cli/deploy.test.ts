/** `deploy`: used wrongly, lists that cannot be right, machines that are not there, and what is printed. */
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/launch/ports.ts';
import { FAKE_ENGINE_TCP } from '../support/cli.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { cli, transcript } from './transcript.ts';

let home: TemporaryHome;
let model = '';
beforeAll(() => {
  home = temporaryHome();
  model = writeTinyGguf(join(home.path, 'tiny.gguf'));
});
afterAll(() => home[Symbol.dispose]());

const env = { HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE_TCP, A_KEY: 'sk-never-printed' };

async function show(...args: readonly string[]): Promise<string> {
  return transcript(await cli(['deploy', ...args], { home: home.path, env }), home.path);
}

/** A list in the home; JSON is YAML. */
function list(value: unknown): string {
  const file = join(home.path, 'nodes.yaml');
  writeFileSync(file, JSON.stringify(value));
  return file;
}

async function listening(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => {
    // Whoever looks is gone before the greeting has arrived.
    socket.on('error', () => undefined);
    socket.end('SSH-2.0-x\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, port: address !== null && typeof address === 'object' ? address.port : 0 };
}

describe('deploy used wrongly', () => {
  it('without a place says which there are', async () => {
    expect(await show(model)).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`deploy\` needs either \`--local\` or \`--nodes FILE\`

      hint: run \`hyperllama deploy --help\` to see how it is used"
    `);
  });

  it('with an option of the other kind says so', async () => {
    expect(await show(model, '--nodes', 'n.yaml', '--demo')).toContain(
      'error: `--demo` goes with `--local`',
    );
  });

  it('with an unknown target names the nearest', async () => {
    expect(await show(model, '--local', '--target', 'smgg')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`--target\` got \`smgg\`, expected smg or dynamo

      hint: did you mean \`smg\`?"
    `);
  });

  it('for Dynamo without a safetensors folder says what is missing', async () => {
    expect(await show(model, '--local', '--target', 'dynamo')).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/tiny.gguf\`: NVIDIA Dynamo reads the tokenizer of a safetensors folder, and there is none

      hint: name a folder with config.json, tokenizer.json and safetensors files"
    `);
  });

  it.runIf(process.platform === 'linux')(
    'for Dynamo takes a name whose safetensors folder is made here, and asks about the install',
    async () => {
      expect(await show('smollm2:135m', '--local', '--target', 'dynamo')).toMatchInlineSnapshot(`
        "exit 6
        --- stderr
        error: NVIDIA Dynamo is not installed, and nobody said yes to 142 MiB of download and 616 MiB on disk

        hint: run \`hyperllama engines install dynamo\`, or give \`--yes\`"
      `);
    },
  );
});

describe('a node list', () => {
  it('with mistakes is refused with all of them, and without the key in it', async () => {
    const nodes = [
      { name: 'a', host: '0.0.0.0', port: 8000, key: 'sk-never-printed' },
      { name: 'b', host: '10.0.0.2', port: 70_000, gpus: 8 },
    ];
    expect(await show(model, '--nodes', list({ front: {}, nodes }))).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: node list \`~/nodes.yaml\`: \`front.host\` expected a host name or an IP address
        \`front.port\` expected a port, a whole number from 1 to 65535
        \`nodes.0.host\` is every address of a machine: give the one that others reach it at
        \`nodes.0.key\` expected a reference to a key, \`env:NAME\` or \`file:/path\`, not the key
        \`nodes.1.port\` expected a port from 1 to 65535
        \`nodes.1\` has an unknown field \`gpus\`

      hint: docs/deploy.md shows a list with every field"
    `);
  });

  it('that is no list, or is not there, is refused', async () => {
    writeFileSync(join(home.path, 'broken.yaml'), 'front: [');
    expect(await show(model, '--nodes', join(home.path, 'broken.yaml'))).toMatch(/^exit 2\n/);
    expect(await show(model, '--nodes', join(home.path, 'none.yaml'))).toContain(
      'cannot be read (ENOENT)',
    );
  });

  it('with a port that something else uses is refused, naming it', async () => {
    const { server, port } = await listening();
    const front = { host: '127.0.0.1', port: 30_000 };
    const nodes = [{ name: 'a', host: '127.0.0.1', port }];
    const text = await show(model, '--nodes', list({ front, nodes }));
    server.close();
    expect(text.replaceAll(String(port), 'PORT')).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: 1 of 2 addresses cannot be used
        a (127.0.0.1:PORT): something listens there that is no HTTP server

      hint: mend the list or the machine, then run the command again"
    `);
  });

  it('that is right gives a command, a key reference and a health check for each', async () => {
    const [front, a, b] = [await freePort(), await freePort(), await freePort()];
    const host = '127.0.0.1';
    const nodes = [
      { name: 'a', host, port: a, engine: 'fake' },
      { name: 'b', host, port: b, engine: 'fake' },
    ];
    const text = await show(model, '--nodes', list({ front: { host, port: front }, nodes }));
    const named = [front, a, b].reduce(
      (shown, port, index) => shown.replaceAll(String(port), ['FRONT', 'A', 'B'][index] ?? ''),
      text,
    );
    expect(named).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      smg 1.13.0 in front of 2 nodes, tiny

      a  127.0.0.1:A  Fake  port free
       run     fake --model ~/tiny.gguf --alias tiny --host 127.0.0.1 --port A
       health  curl -sf http://127.0.0.1:A/health
       note    planned as if it were this machine (field \`machine\`)

      b  127.0.0.1:B  Fake  port free
       run     fake --model ~/tiny.gguf --alias tiny --host 127.0.0.1 --port B
       health  curl -sf http://127.0.0.1:B/health
       note    planned as if it were this machine (field \`machine\`)

      front  127.0.0.1:FRONT  smg
       run     HF_HUB_OFFLINE=1 smg launch --worker-urls http://127.0.0.1:A http://127.0.0.1:B --host 127.0.0.1 --port FRONT --policy round_robin --health-check-interval-secs 2 --shutdown-grace-period-secs 5 --prometheus-host 127.0.0.1 --prometheus-port 29000 --disable-tokenizer-autoload --log-level warn
       health  curl -sf http://127.0.0.1:FRONT/readiness
       clients http://127.0.0.1:FRONT/v1
       note    smg asks its clients for no key, and lets them add engines: keep its port inside your network"
    `);
  });

  it('as JSON says the same', async () => {
    const host = '127.0.0.1';
    const [front, port] = [await freePort(), await freePort()];
    const nodes = [{ name: 'a', host, port, engine: 'fake' }];
    const file = list({ front: { host, port: front }, nodes });
    const args = ['deploy', model, '--nodes', file, '--json'];
    const { stdout } = await cli(args, { home: home.path, env });
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'hyperllama.deploy-nodes/1',
      target: { id: 'smg', version: '1.13.0' },
      front: { host, port: front, url: `http://127.0.0.1:${front}` },
      nodes: [
        {
          name: 'a',
          state: 'free',
          engine: { id: 'fake' },
          key: null,
          join: null,
          url: `http://127.0.0.1:${port}`,
          health: `curl -sf http://127.0.0.1:${port}/health`,
        },
      ],
    });
  });
});
