import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import { describeAdapter, withCompanions } from '../../../src/models/companions.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { text, writeGguf } from '../../fixtures/models/gguf-writer.ts';
import { DEMO_ADAPTER, writeGgufAdapter, writePeftAdapter } from '../../support/adapters.ts';
import { temporaryHome } from '../../support/home.ts';
import { tinyGguf } from '../../support/tiny-gguf.ts';

const home = temporaryHome();
afterAll(() => home[Symbol.dispose]());

const at = (name: string): string => join(home.path, name);
const SHAPE = { ...DEMO_ADAPTER, layers: 2 };

describe('an adapter', () => {
  it('is described from the headers of a GGUF file', async () => {
    const path = writeGgufAdapter(at('polite.gguf'), SHAPE);
    expect(await describeAdapter(path, {})).toEqual({
      name: 'polite',
      path,
      format: 'gguf',
      rank: 8,
      hiddenSize: 576,
      bytesOnDisk: expect.any(Number) as number,
      modifiedAtMs: statSync(path).mtimeMs,
    });
  });

  it('is described from a folder of PEFT, with the same values', async () => {
    const gguf = await describeAdapter(writeGgufAdapter(at('same.gguf'), SHAPE), {});
    const peft = await describeAdapter(writePeftAdapter(at('same'), SHAPE), {});
    expect(peft).toMatchObject({ name: 'same', format: 'safetensors', path: at('same') });
    expect([peft.rank, peft.hiddenSize]).toEqual([gguf.rank, gguf.hiddenSize]);
  });

  it('may be named from the home folder', async () => {
    writePeftAdapter(at('mine'), SHAPE);
    const { path } = await describeAdapter('~/mine', { HOME: home.path });
    expect(path).toBe(at('mine'));
  });

  it('that is not there is refused with the place that was looked at', async () => {
    await expect(describeAdapter(at('gone'), {})).rejects.toMatchObject({
      code: 'HL_OPTION_INVALID',
      message: expect.stringContaining(`nothing at \`${at('gone')}`) as string,
    });
  });

  it.each([
    [
      'a model',
      'model.gguf',
      () => writeFileSync(at('model.gguf'), tinyGguf()),
      '`model`, not a LoRA',
    ],
    ['a text file', 'notes.txt', () => writeFileSync(at('notes.txt'), 'x'), 'neither a GGUF file'],
    ['an empty folder', 'empty', () => mkdirSync(at('empty')), 'adapter_config.json'],
    [
      'another method of PEFT',
      'prefix',
      () => {
        writePeftAdapter(at('prefix'), SHAPE);
        writeFileSync(join(at('prefix'), 'adapter_config.json'), '{"peft_type":"PREFIX_TUNING"}');
      },
      '`PREFIX_TUNING`',
    ],
    [
      'a pickle',
      'pickle',
      () => {
        mkdirSync(at('pickle'));
        writeFileSync(join(at('pickle'), 'adapter_config.json'), '{"peft_type":"LORA"}');
        writeFileSync(join(at('pickle'), 'adapter_model.bin'), 'x');
      },
      'pickle is never read',
    ],
    [
      'a GGUF adapter without matrices',
      'hollow.gguf',
      () =>
        writeFileSync(
          at('hollow.gguf'),
          writeGguf({
            metadata: [
              ['general.architecture', text('llama')],
              ['general.type', text('adapter')],
              ['adapter.type', text('lora')],
            ],
            tensors: [],
          }).header,
        ),
      'low-rank',
    ],
  ])('is not %s', async (_, name, write, because) => {
    write();
    await expect(describeAdapter(at(name), {})).rejects.toMatchObject({
      code: expect.stringMatching(/^HL_MODEL_(FORMAT_UNSUPPORTED|CORRUPT)$/) as string,
      message: expect.stringContaining(because) as string,
    });
  });
});

describe('withCompanions', () => {
  const model = testModel('dense-8b-all');

  it('names an adapted model differently, because it answers differently', async () => {
    const adapter = await describeAdapter(writePeftAdapter(at('pirate'), SHAPE), {});
    expect(withCompanions(model, { draft: null, adapter }).name).toBe(`${model.name}+pirate`);
  });

  it('leaves the name to a model with a draft, and everything to one without either', () => {
    expect(withCompanions(model, { draft: model, adapter: null }).name).toBe(model.name);
    expect(withCompanions(model, { draft: null, adapter: null })).toEqual(model);
  });
});
