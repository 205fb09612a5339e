/** A command used wrongly: exit 2, what was wrong with its value, and what was meant. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { cli, transcript } from './transcript.ts';

let home: TemporaryHome;
beforeAll(() => {
  home = temporaryHome();
});
afterAll(() => home[Symbol.dispose]());

const show = async (...args: readonly string[]): Promise<string> =>
  transcript(await cli(args, { home: home.path }), home.path);

describe('a mistyped command', () => {
  it('names the one that was meant', async () => {
    expect(await show('generat', 'smollm2:135m')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no command \`generat\`

      hint: did you mean \`hyperllama generate\`?"
    `);
  });

  it('far from all names the help', async () => {
    expect(await show('xylophone')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no command \`xylophone\`

      hint: run \`hyperllama --help\` to see the commands"
    `);
  });

  it('in a group names the subcommand that was meant, and runs nothing', async () => {
    expect(await show('engines', 'instal', 'llama-cpp')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no command \`engines instal\`

      hint: did you mean \`hyperllama engines install\`?"
    `);
    expect(await show('config', 'show')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no command \`config show\`

      hint: \`hyperllama config\` has list"
    `);
  });

  it('with --json is one object on stdout, nothing on stderr', async () => {
    expect(await show('--json', 'generat')).toMatchInlineSnapshot(`
      "exit 2
      --- stdout
      {
        "schema": "hyperllama.error/1",
        "error": {
          "code": "HL_COMMAND_UNKNOWN",
          "message": "there is no command \`generat\`",
          "hint": "did you mean \`hyperllama generate\`?",
          "details": {
            "command": "generat",
            "nearest": [
              "generate"
            ]
          },
          "exitCode": 2
        }
      }"
    `);
  });
});

describe('a mistyped option', () => {
  it('names the one that was meant', async () => {
    expect(await show('generate', 'm', 'hi', '--temprature', '1')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: unknown option \`--temprature\`

      hint: did you mean \`--temperature\`?"
    `);
  });

  it('before any command says where options belong', async () => {
    expect(await show('--temprature', '1')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: unknown option \`--temprature\`

      hint: run \`hyperllama --help\` to see the commands, each with options of its own"
    `);
  });
});

describe('a wrong value', () => {
  it.each([
    'generate m hi --seed abc',
    'generate m hi --seed -1',
    'generate m hi --temperature hot',
    'generate m hi --top-p 1.5',
    'generate m hi --max-tokens 0',
    'generate m hi --max-tokens 1e999',
    'generate m hi --timeout 5x',
    'generate m hi --context 5',
    'plan smollm2:135m --for chatt',
    'plan smollm2:135m --device tpu',
    'plan smollm2:135m --concurrency 1.5',
    'plan smollm2:135m --machine /no/such/file.json',
    'plan smollm2:135m --machine package.json',
    'bench smollm2:135m -i many',
  ])('is refused with what is allowed: %s', async (line) => {
    const text = await show(...line.split(' '));
    expect(text).toMatch(/^exit 2\n--- stderr\nerror: `--?[a-z-]+` got `/);
    expect(text).toMatchSnapshot();
  });

  it('missing is refused', async () => {
    expect(await show('generate')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: missing required argument \`model\`

      hint: run \`hyperllama generate --help\` to see how it is used"
    `);
    expect(await show('generate', 'm', '--seed')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: option \`--seed <n>\` argument missing

      hint: run \`hyperllama generate --help\` to see how it is used"
    `);
    expect(await show('stop')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`stop\` needs a session, or \`--all\`

      hint: run \`hyperllama stop --help\` to see how it is used"
    `);
  });

  it('too many is refused', async () => {
    expect(await show('info', 'more')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`info\` takes no arguments, got 1

      hint: run \`hyperllama info --help\` to see how it is used"
    `);
    expect(await show('plan', 'a', 'b')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`plan\` takes 1 argument, got 2

      hint: run \`hyperllama plan --help\` to see how it is used"
    `);
  });
});

describe('an engine', () => {
  it('that does not exist is refused with those that do', async () => {
    expect(await show('engines', 'install', 'lama-cpp')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no engine \`lama-cpp\` (known: smg, dynamo, exllamav2, exllamav3, llama-cpp, max, mlx, sglang, tensorrt-llm, vllm)

      hint: did you mean \`llama-cpp\`?"
    `);
    expect(await show('plan', 'smollm2:135m', '--engine', 'olama')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no engine \`olama\` (known: dynamo, exllamav2, exllamav3, llama-cpp, max, mlx, sglang, tensorrt-llm, vllm)

      hint: docs/custom-engines.md shows how to add an engine or a server of your own; \`hyperllama engines list --discover\` shows the servers that answer here"
    `);
  });

  it('that computes on GPUs only is refused on a machine without one, before any download', async () => {
    const noCards = { CUDA_VISIBLE_DEVICES: '', HIP_VISIBLE_DEVICES: '' };
    const result = await cli(['engines', 'install', 'sglang'], { home: home.path, env: noCards });
    expect(transcript(result, home.path)).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: SGLang cannot run on this machine: computes on NVIDIA GPUs, AMD GPUs, not on the CPU

      hint: \`hyperllama engines\` shows which engines can run here"
    `);
  });

  it('that cannot run here is refused with the command that shows which can', async () => {
    const file = fileURLToPath(
      new URL('../fixtures/machines/recorded-epyc-2core.json', import.meta.url),
    );
    expect(await show('plan', 'smollm2:135m', '--engine', 'sglang', '--machine', file))
      .toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve SmolLM2-135M-Instruct on this machine
        SGLang: computes on NVIDIA GPUs, AMD GPUs, not on the CPU

      hint: \`hyperllama engines\` shows which engines can run here"
    `);
  });

  it('that is not installed is not verified, and removing it is no error', async () => {
    expect(await show('engines', 'verify', 'llama-cpp')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: llama.cpp is not installed: there is no environment of it

      hint: run \`hyperllama engines install llama-cpp\`"
    `);
    expect(await show('engines', 'remove', 'llama-cpp')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      llama.cpp is not installed"
    `);
  });
});

describe('a session', () => {
  it('that does not run cannot be stopped', async () => {
    expect(await show('stop', '0123abcd')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: no session \`0123abcd\`: nothing is running"
    `);
  });

  it('of all is stopped also when there is none', async () => {
    expect(await show('stop', '--all')).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      nothing is running"
    `);
  });
});
