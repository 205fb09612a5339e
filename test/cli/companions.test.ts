/** `--draft` and `--lora`: what a plan makes of them, and what is said of wrong ones. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_ADAPTER, writeGgufAdapter, writePeftAdapter } from '../support/adapters.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { cli, transcript } from './transcript.ts';

let home: TemporaryHome;
let folder: string;
beforeAll(() => {
  home = temporaryHome();
  folder = join(home.path, 'files');
  writeGgufAdapter(join(folder, 'polite.gguf'), { ...DEMO_ADAPTER, layers: 1 });
  writePeftAdapter(join(folder, 'polite'), { ...DEMO_ADAPTER, layers: 1 });
  writeGgufAdapter(join(folder, 'wide.gguf'), { ...DEMO_ADAPTER, layers: 1, hiddenSize: 2048 });
  writeTinyGguf(join(folder, 'tiny.gguf'));
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'notes.txt'), 'x');
});
afterAll(() => home[Symbol.dispose]());

const MODEL = 'smollm2:135m';

async function show(...args: readonly string[]): Promise<string> {
  return transcript(await cli(args, { home: home.path }), home.path);
}

async function argumentsOf(...args: readonly string[]): Promise<readonly string[]> {
  const result = await cli(['plan', MODEL, '--json', ...args], { home: home.path });
  const { plan } = JSON.parse(result.stdout) as {
    readonly plan: { readonly args: readonly { flag: string; value: string | null }[] };
  };
  return plan.args.map(({ flag, value }) => `${flag} ${value ?? ''}`.trim());
}

describe('a plan', () => {
  it('says how llama.cpp is told of both', async () => {
    const words = await argumentsOf('--draft', MODEL, '--lora', join(folder, 'polite.gguf'));
    expect(words).toEqual(
      expect.arrayContaining([
        '--spec-type draft-simple',
        `--spec-draft-model {${MODEL}}`,
        `--lora ${join(folder, 'polite.gguf')}`,
      ]),
    );
  });

  it('goes to the engine that can be given them', async () => {
    const words = await argumentsOf('--lora', join(folder, 'polite'), '--engine', 'vllm');
    const module = { name: '{served-name}', path: join(folder, 'polite') };
    expect(words).toContain(`--lora-modules ${JSON.stringify(module)}`);
  });
});

describe('is refused in words', () => {
  it('an engine that cannot be given a draft model', async () => {
    expect(await show('plan', MODEL, '--draft', MODEL, '--engine', 'max')).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve SmolLM2-135M-Instruct on this machine
        MAX: this version cannot give it a draft model

      hint: leave \`--draft\` out or name another engine"
    `);
  });

  it('an adapter that is not there', async () => {
    expect(await show('plan', MODEL, '--lora', join(folder, 'gone'))).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`--lora\` got \`~/files/gone\`, expected a GGUF file, or a folder with \`adapter_config.json\` and \`adapter_model.safetensors\`; there is nothing at \`~/files/gone\`

      hint: run the command with \`--help\` to see its options"
    `);
  });

  it('what is no adapter', async () => {
    const names = ['tiny.gguf', 'notes.txt', 'empty'];
    const texts = [];
    for (const name of names) texts.push(await show('plan', MODEL, '--lora', join(folder, name)));
    expect(texts.join('\n\n')).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/files/tiny.gguf\`: it holds a GGUF of type \`model\`, not a LoRA adapter

      hint: an adapter is a GGUF file, or a folder with \`adapter_config.json\` and \`adapter_model.safetensors\`

      exit 1
      --- stderr
      error: \`~/files/notes.txt\`: it is neither a GGUF file nor a folder

      hint: an adapter is a GGUF file, or a folder with \`adapter_config.json\` and \`adapter_model.safetensors\`

      exit 1
      --- stderr
      error: \`~/files/empty\`: it holds no \`adapter_config.json\` that can be read

      hint: an adapter is a GGUF file, or a folder with \`adapter_config.json\` and \`adapter_model.safetensors\`"
    `);
  });

  it('an adapter of another model, and one in the format of other engines', async () => {
    const wide = ['--lora', join(folder, 'wide.gguf'), '--engine', 'llama-cpp'];
    expect(await show('generate', MODEL, 'Hi', ...wide)).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve SmolLM2-135M-Instruct+wide on this machine
        llama.cpp: \`~/files/wide.gguf\` was made for a model with a hidden size of 2048, this one has 576

      hint: name the model it was made for"
    `);
    const peft = ['--lora', join(folder, 'polite'), '--engine', 'llama-cpp'];
    expect(await show('generate', MODEL, 'Hi', ...peft)).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve SmolLM2-135M-Instruct+polite on this machine
        llama.cpp: loads adapters as GGUF, \`~/files/polite\` is safetensors (a folder of PEFT)

      hint: llama.cpp's \`convert_lora_to_gguf.py\` makes such a file from a folder of PEFT"
    `);
  });

  it('a draft model of another family', async () => {
    const draft = ['--draft', join(folder, 'tiny.gguf'), '--engine', 'llama-cpp'];
    expect(await show('generate', MODEL, 'Hi', ...draft)).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve SmolLM2-135M-Instruct on this machine
        llama.cpp: tiny has a vocabulary of 6 tokens, SmolLM2-135M-Instruct one of 49152: a draft model has to share it

      hint: name a smaller model of the same family with \`--draft\`"
    `);
  });

  it('a draft model that nobody knows', async () => {
    expect(await show('plan', MODEL, '--draft', 'smolm2')).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: no model \`smolm2\` is known here

      hint: the nearest names are \`smollm2:135m\`; known, but not fetched by this version: \`gemma3:27b\`, \`qwen3:32b\`; \`hyperllama list\` shows what is on this machine"
    `);
  });

  it('a second one, and none', async () => {
    const adapter = join(folder, 'polite.gguf');
    expect(await show('plan', MODEL, '--lora', adapter, '--lora', adapter)).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`--lora\` got \`~/files/polite.gguf\`, expected an adapter, and only one

      hint: run the command with \`--help\` to see its options"
    `);
    expect(await show('plan', MODEL, '--draft', '')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: \`--draft\` got \`\`, expected a model

      hint: run the command with \`--help\` to see its options"
    `);
  });
});

describe('a plan with a draft', () => {
  it('names it in what to measure, and says when it saves no time', async () => {
    const text = await show('plan', MODEL, '--draft', MODEL, '--for', 'batch', '--context', '2048');
    expect(text).toContain(`-i 5 --engine llama-cpp --for batch --context 2048 --draft ${MODEL}`);
    expect(text).toContain('the draft is no smaller than the model');
  });
});
