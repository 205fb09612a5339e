/** Models that are not there, not whole or not a model: what, why with values, and what to do. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { TINY_MODEL, tinyGguf } from '../support/tiny-gguf.ts';
import { cli, transcript } from './transcript.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const generate = async (model: string, ...more: readonly string[]): Promise<string> =>
  transcript(await cli(['generate', model, 'hi', ...more], { home: home.path }), home.path);

function file(name: string, content: Buffer | string): string {
  const path = join(home.path, name);
  writeFileSync(path, content);
  return path;
}

describe('a model that is not here', () => {
  it('is answered with the three nearest names', async () => {
    expect(await generate('smolm2:135m')).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: no model \`smolm2:135m\` is known here

      hint: the nearest names are \`smollm2:135m\`; known, but not fetched by this version: \`qwen3:32b\`, \`gemma3:27b\`; \`hyperllama list\` shows what is on this machine"
    `);
  });

  it('far from every name is answered with names all the same', async () => {
    expect(await generate('xylophone')).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: no model \`xylophone\` is known here

      hint: known, but not fetched by this version: \`qwen3:32b\`, \`qwen3:4b\`, \`qwen3:8b\`; \`hyperllama list\` shows what is on this machine"
    `);
  });

  it('of a hub is not looked for in the network', async () => {
    expect(await generate('acme/none-such-GGUF')).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: \`hf:acme/none-such-GGUF\` is not on this machine (looked in \`~/.cache/huggingface/hub\`), and this version does not download from a hub yet

      hint: fetch it with \`hf download acme/none-such-GGUF\` and run the command again, or give the path of a file"
    `);
  });

  it('given as a path is named as a path', async () => {
    expect(await generate(join(home.path, 'none.gguf'))).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: no model \`~/none.gguf\` is known here

      hint: the file \`~/none.gguf\` does not exist, and nothing in \`~\` is named like it"
    `);
    expect(await generate('./none.gguf')).toMatchInlineSnapshot(`
      "exit 5
      --- stderr
      error: no model \`./none.gguf\` is known here

      hint: the file \`./none.gguf\` does not exist, and nothing in \`.\` is named like it"
    `);
  });

  it('with --json has the names in its details', async () => {
    expect(await generate('smolm2:135m', '--json')).toMatchInlineSnapshot(`
      "exit 5
      --- stdout
      {
        "schema": "hyperllama.error/1",
        "error": {
          "code": "HL_MODEL_NOT_FOUND",
          "message": "no model \`smolm2:135m\` is known here",
          "hint": "the nearest names are \`smollm2:135m\`; known, but not fetched by this version: \`qwen3:32b\`, \`gemma3:27b\`; \`hyperllama list\` shows what is on this machine",
          "details": {
            "ref": "smolm2:135m",
            "nearest": [
              "smollm2:135m",
              "qwen3:32b",
              "gemma3:27b"
            ]
          },
          "exitCode": 5
        }
      }"
    `);
  });

  it.each(['../../etc/passwd', '-', 'a\u0000b'.replace('\u0000', '%00'), 'hf:../x', 'a b'])(
    'under a hostile name %j is refused without a bug',
    async (name) => {
      const text = await generate(name);
      expect(text).not.toContain('a bug in HyperLlama');
      expect(text).toMatch(/^exit [125]\n--- stderr\nerror: /);
    },
  );
});

describe('a model that does not fit', () => {
  it('is refused with the arithmetic, and exits with 3 before anything is installed', async () => {
    const wide = { layers: 60, hiddenSize: 128, heads: 2, kvHeads: 1, contextTokens: 10_000_000 };
    const path = file('wide.gguf', tinyGguf({ ...TINY_MODEL, ...wide }));
    const args = ['generate', path, 'hi', '--context', '10000000', '--engine', 'llama-cpp'];
    const text = transcript(await cli(args, { home: home.path }), home.path);
    const plain = text
      .replaceAll(/[\d.]+ GiB is free/g, 'SIZE is free')
      .replace(/`--context \d+` would/, '`--context N` would');
    expect(plain).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve wide on this machine
        llama.cpp: gguf fp32 needs 143.2 GiB (weights 13 MiB + KV cache 143.1 GiB for 10,000,000 tokens + 96 MiB of its own) but SIZE is free in main memory

      hint: \`--context N\` would fit"
    `);
  });
});

describe('a file that is no whole model', () => {
  it('with other content under the name .gguf is refused', async () => {
    expect(await generate(file('text.gguf', 'just some text\n'))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/text.gguf\`: it begins with 6a 75 73 74 20 73 6f 6d, not with 47 47 55 46 ("GGUF")

      hint: use a GGUF file, or a folder with config.json and safetensors files"
    `);
  });

  it('of no bytes is refused', async () => {
    expect(await generate(file('empty.gguf', ''))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/empty.gguf\` is damaged: it is empty

      hint: fetch the file again and compare its size and sha256 with the publisher's"
    `);
  });

  it('cut in its header is refused', async () => {
    const bytes = tinyGguf();
    expect(await generate(file('cut.gguf', bytes.subarray(0, 300)))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/cut.gguf\` is damaged: the file ends at byte 300, inside its header: metadata key 7 needs bytes 299 to 325

      hint: fetch the file again and compare its size and sha256 with the publisher's"
    `);
  });

  it('cut in its weights is refused, naming the bytes missing', async () => {
    const bytes = tinyGguf();
    const cut = bytes.subarray(0, bytes.length - 100);
    expect(await generate(file('cut.gguf', cut))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/cut.gguf\` is damaged: tensor \`output.weight\` ends at byte 4256, but the file has 4156: 100 bytes are missing

      hint: fetch the file again and compare its size and sha256 with the publisher's"
    `);
  });

  it('with a flipped count in its header is refused without reading on', async () => {
    const bytes = tinyGguf();
    bytes.writeBigUInt64LE(2n ** 60n, 8);
    expect(await generate(file('flipped.gguf', bytes))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/flipped.gguf\` is damaged: the tensor count is 1152921504606847000, larger than any file

      hint: fetch the file again and compare its size and sha256 with the publisher's"
    `);
  });

  it('in a folder without a configuration is refused', async () => {
    mkdirSync(join(home.path, 'folder'));
    expect(await generate(join(home.path, 'folder'))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/folder\`: it holds neither a GGUF file nor a config.json with safetensors

      hint: use a GGUF file, or a folder with config.json and safetensors files"
    `);
  });

  it('of pickled weights is refused', async () => {
    expect(await generate(file('pytorch_model.bin', '\u0080\u0002}q\u0000.')))
      .toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/pytorch_model.bin\`: it is a pickle by its name, which can run code and is never read

      hint: use a GGUF file, or a folder with config.json and safetensors files"
    `);
  });
});
