import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { HyperLlamaError } from '../../../src/base/errors.ts';
import { GGML_TYPES } from '../../../src/models/ggml-types.ts';
import { ggufParts, readGgufFile } from '../../../src/models/gguf-file.ts';
import { readGguf, type GgufHeader } from '../../../src/models/gguf.ts';
import { denseGguf } from '../../fixtures/models/gguf-models.ts';
import {
  numbers,
  strings,
  text,
  u32,
  writeGguf,
  type GgufSpec,
} from '../../fixtures/models/gguf-writer.ts';
import { memorySource } from '../../fixtures/models/memory-source.ts';

const F32 = 0;
const TENSORS = [
  { name: 'a.weight', dimensions: [64, 2], typeId: F32 },
  { name: 'b.weight', dimensions: [64], typeId: F32 },
];

async function read(spec: Partial<GgufSpec>, size?: number): Promise<GgufHeader> {
  const written = writeGguf({ metadata: [], tensors: TENSORS, ...spec });
  return await readGguf(memorySource(written.header, size ?? written.size), 'x.gguf');
}

async function refusal(reading: Promise<unknown>): Promise<string> {
  const error: HyperLlamaError = await reading.then(
    () => expect.fail('it was accepted'),
    (thrown: HyperLlamaError) => thrown,
  );
  return `${error.code} ${error.message}`;
}

describe('readGguf', () => {
  it('reads values of every type, and keeps short lists of numbers only', async () => {
    const { metadata, version, alignment } = await read({
      version: 2,
      metadata: [
        ['u8', { type: 'u8', value: 200 }],
        ['i8', { type: 'i8', value: -3 }],
        ['u16', { type: 'u16', value: 65_000 }],
        ['i16', { type: 'i16', value: -300 }],
        ['u32', u32(4_000_000_000)],
        ['i32', { type: 'i32', value: -4 }],
        ['f32', { type: 'f32', value: 0.5 }],
        ['bool', { type: 'bool', value: true }],
        ['string', text('grün')],
        ['u64', { type: 'u64', value: 2n ** 64n - 1n }],
        ['i64', { type: 'i64', value: -5n }],
        ['f64', { type: 'f64', value: 0.1 }],
        ['numbers', numbers([1, -2])],
        ['words', strings(['a', '', 'ccc'])],
        ['long', numbers(Array.from({ length: 5000 }, (_, i) => i))],
      ],
    });
    expect({ version, alignment }).toEqual({ version: 2, alignment: 32 });
    expect(Object.fromEntries(metadata)).toEqual({
      u8: 200,
      i8: -3,
      u16: 65_000,
      i16: -300,
      u32: 4_000_000_000,
      i32: -4,
      f32: 0.5,
      bool: true,
      string: 'grün',
      u64: 2n ** 64n - 1n,
      i64: -5,
      f64: 0.1,
      numbers: { length: 2, values: [1, -2] },
      words: { length: 3, values: null },
      long: { length: 5000, values: null },
    });
  });

  it('finds every tensor behind the header, aligned', async () => {
    const { tensors, dataOffset } = await read({});
    expect(dataOffset % 32).toBe(0);
    expect(tensors.map(({ name, bytes, offset }) => [name, bytes, offset - dataOffset])).toEqual([
      ['a.weight', 512, 0],
      ['b.weight', 256, 512],
    ]);
  });

  it('skips a vocabulary of a hundred thousand entries in a few reads', async () => {
    const words = Array.from({ length: 100_000 }, (_, i) => `word ${i} ${'x'.repeat(i % 40)}`);
    const written = writeGguf({ metadata: [['v', strings(words)]], tensors: TENSORS });
    const source = memorySource(written.header, written.size);
    const { metadata } = await readGguf(source, 'x.gguf');
    expect(metadata.get('v')).toEqual({ length: 100_000, values: null });
    // One for the magic, and one a MiB.
    expect(source.reads()).toBeLessThanOrEqual(2 + Math.ceil(written.header.length / 2 ** 20));
  });

  it('skips a string longer than a read without reading it', async () => {
    const long = strings(['x'.repeat(8 * 2 ** 20), 'y']);
    const written = writeGguf({
      metadata: [
        ['v', long],
        ['k', u32(7)],
      ],
      tensors: TENSORS,
    });
    const source = memorySource(written.header, written.size);
    expect((await readGguf(source, 'x.gguf')).metadata.get('k')).toBe(7);
    expect(source.bytesRead()).toBeLessThan(4 * 2 ** 20);
  });

  it('names the tensor and the bytes missing of a file that was cut off', async () => {
    const { size } = writeGguf({ metadata: [], tensors: TENSORS });
    expect(await refusal(read({}, size - 100))).toContain(
      'HL_MODEL_CORRUPT `x.gguf` is damaged: tensor `b.weight` ends at byte',
    );
    expect(await refusal(read({}, size - 100))).toContain(': 100 bytes are missing');
  });

  it.each<[string, Buffer, string]>([
    ['an empty file', Buffer.alloc(0), 'HL_MODEL_CORRUPT `x.gguf` is damaged: it is empty'],
    ['zeros', Buffer.alloc(100), 'HL_MODEL_CORRUPT `x.gguf` is damaged: it begins with zeros'],
    [
      'a zip',
      Buffer.from('PK\u0003\u0004data'),
      'HL_MODEL_FORMAT_UNSUPPORTED `x.gguf`: it begins with 50 4b 03 04 64 61 74 61: a zip archive',
    ],
    [
      'a pickle',
      Buffer.from([0x80, 2, 0x7d]),
      'HL_MODEL_FORMAT_UNSUPPORTED `x.gguf`: it begins with 80 02 7d: a Python pickle, which is never read',
    ],
    ['a page', Buffer.from('<!doctype html>'), ': a web page, not a model'],
    ['a pointer', Buffer.from('version https://git-lfs'), ': a Git LFS pointer'],
    ['an older format', Buffer.from('tjgg....'), ': a GGML file from before GGUF'],
    [
      'anything else',
      Buffer.from('hello wo'),
      '68 65 6c 6c 6f 20 77 6f, not with 47 47 55 46 ("GGUF")',
    ],
    [
      'only the magic',
      Buffer.from('GGUF'),
      'HL_MODEL_CORRUPT `x.gguf` is damaged: the file ends at byte 4',
    ],
  ])('refuses %s, saying what it is', async (_, bytes, expected) => {
    expect(await refusal(readGguf(memorySource(bytes), 'x.gguf'))).toContain(expected);
  });

  it.each([
    [1, 'version 1, which engines no longer read'],
    [4, 'version 4'],
    [0x0300_0000, 'big-endian'],
  ])('refuses version %d as a format it does not read', async (version, expected) => {
    const answer = await refusal(read({ version }));
    expect(answer).toContain('HL_MODEL_FORMAT_UNSUPPORTED');
    expect(answer).toContain(expected);
  });

  it.each<[string, Partial<GgufSpec>]>([
    [
      '`a.weight` is there twice',
      { tensors: [...TENSORS, { name: 'a.weight', dimensions: [1], typeId: F32 }] },
    ],
    [
      'key `k` is there twice',
      {
        metadata: [
          ['k', u32(1)],
          ['k', u32(2)],
        ],
      },
    ],
    ['overlap', { tensors: TENSORS.map((tensor) => ({ ...tensor, offset: 0 })) }],
    ['not aligned to 32', { tensors: [{ name: 'a', dimensions: [64], typeId: F32, offset: 4 }] }],
    ['a dimension of 0', { tensors: [{ name: 'a', dimensions: [64, 0], typeId: F32, offset: 0 }] }],
    [
      'rows of 40, no multiple of 32',
      { tensors: [{ name: 'a', dimensions: [40], typeId: 2, offset: 0 }] },
    ],
    ['has 5 dimensions', { tensors: [{ name: 'a', dimensions: [1, 1, 1, 1, 1], typeId: F32 }] }],
    [
      'more elements than any file',
      { tensors: [{ name: 'a', dimensions: [2 ** 40, 2 ** 40], typeId: F32, offset: 0 }] },
    ],
    ['not a power of two', { metadata: [['general.alignment', u32(48)]] }],
    ['not a power of two', { metadata: [['general.alignment', text('32')]] }],
    ['is not printable text', { tensors: [{ name: 'a\u001b[2J', dimensions: [1], typeId: F32 }] }],
    ['is 200 bytes long', { tensors: [{ name: 'n'.repeat(200), dimensions: [1], typeId: F32 }] }],
  ])('refuses a header in which something is wrong: %s', async (expected, spec) => {
    const answer = await refusal(read(spec, 2 ** 40));
    expect(answer).toContain('HL_MODEL_CORRUPT');
    expect(answer).toContain(expected);
  });

  it('refuses a tensor type it does not know by its number', async () => {
    const answer = await refusal(read({ tensors: [{ name: 'a', dimensions: [32], typeId: 36 }] }));
    expect(answer).toContain('HL_MODEL_FORMAT_UNSUPPORTED');
    expect(answer).toContain('the type 36');
  });

  it('refuses nested arrays beyond a small depth, and counts beyond any file', async () => {
    const nested = Array.from({ length: 6 }).reduce<
      Parameters<typeof writeGguf>[0]['metadata'][0][1]
    >((value) => ({ type: 'array', of: 'array', value: [value] }), {
      type: 'array',
      of: 'u8',
      value: [],
    });
    expect(await refusal(read({ metadata: [['deep', nested]] }))).toContain('nests arrays deeper');
    const { header } = writeGguf({ metadata: [], tensors: [] });
    header.writeBigUInt64LE(2n ** 63n, 8);
    expect(await refusal(readGguf(memorySource(header), 'x'))).toContain('HL_MODEL_CORRUPT');
  });
});

describe('GGML_TYPES', () => {
  /** Bits per weight as ggml's documentation gives them. */
  it.each([
    ['Q4_0', 4.5],
    ['Q4_1', 5],
    ['Q8_0', 8.5],
    ['Q2_K', 2.625],
    ['Q3_K', 3.4375],
    ['Q4_K', 4.5],
    ['Q5_K', 5.5],
    ['Q6_K', 6.5625],
    ['IQ1_S', 1.5625],
    ['IQ1_M', 1.75],
    ['IQ2_XXS', 2.0625],
    ['IQ2_XS', 2.3125],
    ['IQ2_S', 2.5625],
    ['IQ3_XXS', 3.0625],
    ['IQ3_S', 3.4375],
    ['IQ4_NL', 4.5],
    ['IQ4_XS', 4.25],
    ['TQ1_0', 1.6875],
    ['TQ2_0', 2.0625],
    ['MXFP4', 4.25],
    ['NVFP4', 4.5],
    ['BF16', 16],
  ])('%s takes %d bits a weight', (name, bits) => {
    const type = [...GGML_TYPES.values()].find((candidate) => candidate.name === name);
    expect(((type?.blockBytes ?? 0) * 8) / (type?.blockElements ?? 1)).toBe(bits);
  });
});

describe('readGgufFile', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync('/tmp/hlt-');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function writePart(name: string, spec: GgufSpec): string {
    const { header, size } = writeGguf(spec);
    writeFileSync(join(folder, name), header);
    truncateSync(join(folder, name), size);
    return join(folder, name);
  }

  function writeSplit(): readonly string[] {
    const part = (i: number): string =>
      writePart(`m-0000${i + 1}-of-00002.gguf`, {
        metadata: [
          ...(i === 0 ? [['general.architecture', text('llama')] as const] : []),
          ['split.no', { type: 'u16', value: i }],
          ['split.count', { type: 'u16', value: 2 }],
          ['split.tensors.count', { type: 'i32', value: 2 }],
        ],
        tensors: TENSORS.slice(i, i + 1),
      });
    return [part(0), part(1)];
  }

  it('reads all parts of a split model, whichever part was named', async () => {
    const [first = '', second = ''] = writeSplit();
    for (const path of [first, second]) {
      const file = await readGgufFile(path);
      expect(file.path).toBe(first);
      expect(file.tensors.map(({ name }) => name)).toEqual(['a.weight', 'b.weight']);
      expect(file.metadata.get('general.architecture')).toBe('llama');
      expect(file.bytesOnDisk).toBeGreaterThan(768);
    }
  });

  it('names the part that is missing', async () => {
    const [first = '', second = ''] = writeSplit();
    rmSync(second);
    expect(await refusal(readGgufFile(first))).toContain(
      `\`${second}\` is damaged: part 2 of 2 is missing`,
    );
  });

  it('refuses a part under another name, and parts of two models', async () => {
    const [first = '', second = ''] = writeSplit();
    const { header } = writeGguf({ metadata: [['split.count', u32(2)]], tensors: [] });
    writeFileSync(join(folder, 'renamed.gguf'), header);
    expect(await refusal(readGgufFile(join(folder, 'renamed.gguf')))).toContain(
      'one part of several',
    );
    writePart('m-00002-of-00002.gguf', { metadata: [], tensors: TENSORS.slice(1) });
    expect(await refusal(readGgufFile(first))).toContain('by its name it is part 2 of 2');
    expect(second).toContain('m-00002');
  });

  it('takes a file without a part number for itself', () => {
    expect(ggufParts('/a/x.gguf')).toEqual(['/a/x.gguf']);
    expect(ggufParts('/a/x-00001-of-00000.gguf')).toEqual(['/a/x-00001-of-00000.gguf']);
    expect(ggufParts('/a/x-00007-of-00300.gguf')).toHaveLength(300);
  });

  it('reads a whole model from disk', async () => {
    const { header, size } = denseGguf();
    const path = join(folder, 'dense.gguf');
    writeFileSync(path, header);
    truncateSync(path, size);
    expect((await readGgufFile(path)).tensors).toHaveLength(17);
  });
});
