/** The commands that only look: in a home where nothing is, and in one where something is. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FAKE_ENGINE, runCli, startCli } from '../support/cli.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { preparedHome, type PreparedHome } from '../support/prepared-home.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { cli, CLI_DEADLINE_MS, filtered, transcript, withoutOtherEngines } from './transcript.ts';

describe('in an empty home', () => {
  let home: TemporaryHome;
  beforeEach(() => {
    home = temporaryHome();
  });
  afterEach(() => home[Symbol.dispose]());

  const show = async (args: readonly string[], env: Record<string, string> = {}): Promise<string> =>
    transcript(await cli(args, { home: home.path, env }), home.path);

  it('the bare command says where things stand and what to try', async () => {
    expect(await show([])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      HyperLlama VERSION
       installed  no engine yet; the first \`generate\` installs one
       running    nothing

        hyperllama info
        hyperllama generate smollm2:135m "Why is the sky blue?"
        hyperllama plan qwen3:8b --for agent

      All commands: hyperllama --help"
    `);
  });

  it('list says that there are no models, and which one a command fetches', async () => {
    expect(await show(['list'])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      no models on this machine yet

      --- stderr
       \`hyperllama generate smollm2:135m\` fetches smollm2:135m (89 MiB) by itself"
    `);
  });

  it('ps says that nothing runs', async () => {
    expect(await show(['ps'])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      nothing is running"
    `);
  });

  it('doctor finds nothing wrong', async () => {
    expect(withoutOtherEngines(await show(['doctor']), 'llama-cpp')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      ok  node         Node VERSION
      ok  python       Python VERSION at \`PYTHON\`
      ok  folders      \`~/data\` and the others can be written
      ok  disk         SIZE free at \`~/data\`
      ok  llama-cpp    llama.cpp is not installed; it is on first use, or by \`hyperllama engines install llama-cpp\`
      ok  sessions     0 sessions run, none is dead
      ok  installs     no killed install left anything behind"
    `);
  });

  it('doctor finds a missing Python, exits with 1 and names the remedy', async () => {
    const text = await show(['doctor'], { PATH: '/no/such/folder' });
    expect(withoutOtherEngines(text, 'llama-cpp')).toMatchInlineSnapshot(`
      "exit 1
      --- stdout
      ok  node         Node VERSION
      bad python       no Python 3.10 or newer was found (tried \`python3\`)
                       → install Python 3 (Debian, Ubuntu: \`apt install python3 python3-pip\`; macOS: \`brew install python\`), or name one with \`--python /path/to/python3\`
      ok  folders      \`~/data\` and the others can be written
      ok  disk         SIZE free at \`~/data\`
      ok  llama-cpp    llama.cpp is not installed; it is on first use, or by \`hyperllama engines install llama-cpp\`
      ok  sessions     0 sessions run, none is dead
      ok  installs     no killed install left anything behind"
    `);
  });

  it('config lists the settings', async () => {
    expect(await show(['config'])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      SETTING         VALUE
      python          null
      engine          null
      device          auto
      aliases         {}
      engines         {}
      engines.custom  {}

      --- stderr
       user file: ~/config/config.yaml"
    `);
  });

  it('config list --show-origin names variable, project file and user file', async () => {
    mkdirSync(join(home.path, 'config'));
    writeFileSync(join(home.path, 'config', 'config.yaml'), 'aliases: {small: "smollm2:135m"}\n');
    expect(await show(['config', 'list', '--show-origin'], { HYPERLLAMA_DEVICE: 'cpu' }))
      .toMatchInlineSnapshot(`
        "exit 0
        --- stdout
        SETTING         VALUE                     ORIGIN
        python          null                      default
        engine          null                      default
        device          cpu                       HYPERLLAMA_DEVICE
        aliases         {"small":"smollm2:135m"}  ~/config/config.yaml
        engines         {}                        default
        engines.custom  {}                        default

        --- stderr
         user file: ~/config/config.yaml"
      `);
  });

  it('show tells what a known model is, also when it is not here', async () => {
    expect(await show(['show', 'smollm2:135m'])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      name          SmolLM2-135M-Instruct
      ref           smollm2:135m
      architecture  llama
      task          chat
      parameters    135 M
      context       8,192 tokens
      attention     30 full (3 KV heads × 64)

      FORMAT       QUANT  BITS/WEIGHT  SIZE     WHERE
      gguf         Q4_1   5.74         94 MiB   fetched when needed
      safetensors  bf16   16.00        257 MiB  made when needed
      safetensors  fp32   32.00        513 MiB  made when needed
      gguf         bf16   16.00        258 MiB  made when needed
      gguf         fp32   32.00        515 MiB  made when needed

      CONTEXT  KV CACHE (fp16)
      4,096    90 MiB
      8,192    180 MiB"
    `);
  });

  it('show tells what a GGUF file is', async () => {
    const file = writeTinyGguf(join(home.path, 'tiny.gguf'));
    expect(await show(['show', file])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      name          tiny
      ref           ~/tiny.gguf
      architecture  llama
      task          chat
      parameters    696
      context       4,096 tokens
      attention     1 full (1 KV heads × 4)

      FORMAT  QUANT  BITS/WEIGHT  SIZE   WHERE
      gguf    fp32   32.00        4 KiB  ~/tiny.gguf

      CONTEXT  KV CACHE (fp16)
      4,096    64 KiB"
    `);
  });

  it('nothing is written by commands that only look', async () => {
    const { readdirSync } = await import('node:fs');
    for (const command of ['list', 'ps', 'config', 'engines', 'info']) {
      expect((await cli([command], { home: home.path })).code).toBe(0);
    }
    expect(readdirSync(home.path).filter((name) => name !== 'cache')).toEqual([]);
  });
});

describe('with an engine installed', () => {
  let prepared: PreparedHome;
  beforeAll(async () => {
    prepared = await preparedHome();
  });
  afterAll(() => prepared[Symbol.dispose]());

  it('ps shows the session while it runs, by key, engine, model and age', async () => {
    using home = prepared.trial();
    const running = startCli(['generate', home.model, 'count', '--engine', 'fake'], {
      home: home.path,
      faults: ['hang-decode=2'],
      deadlineMs: CLI_DEADLINE_MS,
    });
    await new Promise<void>((resolve) => {
      running.child.stdout?.once('data', () => resolve());
    });
    const options = { home: home.path, deadlineMs: CLI_DEADLINE_MS };
    const ps = await runCli(['ps'], options);
    expect(filtered(ps.stdout, home.path).replace(/^[0-9a-f]{8} /m, 'KEY      '))
      .toMatchInlineSnapshot(`
      "SESSION   ENGINE      MODEL                      FORMAT     STATE  DEVICE  MEMORY  AGE
      KEY       Fake 1.0.0  ~/tiny.gguf  gguf fp32  ready  cpu     16 MiB  TIME
      "
    `);
    const [key = ''] = /^[0-9a-f]{8}/m.exec(ps.stdout) ?? [];
    const stopped = await runCli(['stop', key], options);
    expect(stopped.stdout).toMatch(new RegExp(`^stopped ${key} \\(fake, `));
    expect((await runCli(['ps'], options)).stdout).toBe('nothing is running\n');
    const asked = await running.result;
    expect(filtered(asked.stderr, home.path)).toContain('error: Fake ended in phase `generate`');
    expect(asked.code).toBe(6);
  });

  it('engines verify proves it, engines remove takes it away, and then it is not there', async () => {
    const home = prepared.path;
    const env = { HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE };
    const show = async (...args: readonly string[]): Promise<string> =>
      transcript(await cli(args, { home, env }), home);
    expect(await show('engines', 'verify', 'fake')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      ok  import: standard library only"
    `);
    expect(await show('engines', 'verify')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      fake 1.0.0 (stdlib)
      ok  import: standard library only"
    `);
    const row = (await show('engines')).split('\n').find((line) => line.startsWith('Fake'));
    expect(row).toMatch(/^Fake +1\.0\.0 +1\.0\.0 +yes +\d+ [KM]iB$/);
    expect(await show('engines', 'remove', 'fake')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      removed ~/data/engines/fake/1.0.0-stdlib, SIZE freed"
    `);
    expect(await show('engines', 'verify', 'fake')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: Fake is not installed: there is no environment of it

      hint: run \`hyperllama engines install fake\`"
    `);
  });
});
