import { describe, expect, it } from 'vitest';

import type { HyperLlamaError } from '../../../src/base/errors.ts';
import { readSafetensors } from '../../../src/models/safetensors.ts';
import { memorySource } from '../../fixtures/models/memory-source.ts';
import { safetensorsHeader, writeSafetensors } from '../../fixtures/models/safetensors-writer.ts';

const ENTRY = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';

async function refusal(header: Buffer, size: number = header.length): Promise<string> {
  const error: HyperLlamaError = await readSafetensors(memorySource(header, size), 'x').then(
    () => expect.fail('it was accepted'),
    (thrown: HyperLlamaError) => thrown,
  );
  return `${error.code} ${error.message}`;
}

describe('readSafetensors', () => {
  it('reads names, types, shapes and places', async () => {
    const { header, size } = writeSafetensors(
      [
        { name: 'a', dtype: 'BF16', shape: [3, 4] },
        { name: 'scalar', dtype: 'F32', shape: [] },
        { name: 'none', dtype: 'I64', shape: [0] },
      ],
      { format: 'pt' },
    );
    const { tensors, metadata, dataOffset } = await readSafetensors(
      memorySource(header, size),
      'x',
    );
    expect(metadata).toEqual({ format: 'pt' });
    expect(tensors).toEqual([
      { name: 'a', dtype: 'BF16', shape: [3, 4], elements: 12, bytes: 24, offset: dataOffset },
      { name: 'scalar', dtype: 'F32', shape: [], elements: 1, bytes: 4, offset: dataOffset + 24 },
      { name: 'none', dtype: 'I64', shape: [0], elements: 0, bytes: 0, offset: dataOffset + 28 },
    ]);
  });

  it('names the tensor and the bytes missing of a file that was cut off', async () => {
    const { header, size } = writeSafetensors([{ name: 'a', dtype: 'F32', shape: [100] }]);
    const answer = await refusal(header, size - 10);
    expect(answer).toContain('tensor `a` ends at byte');
    expect(answer).toContain(': 10 bytes are missing');
  });

  it.each<[string, string]>([
    ['names a key twice', `{${ENTRY},${ENTRY}}`],
    ['names a key twice', '{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}'],
    ['unknown type "F33"', `{${ENTRY.replace('F32', 'F33')}}`],
    ['unknown type "constructor"', `{${ENTRY.replace('F32', 'constructor')}}`],
    ['takes 8 bytes by its shape but 12', `{${ENTRY.replace('[0,8]', '[0,12]')}}`],
    ['no valid shape', `{${ENTRY.replace('[2]', '[-2]')}}`],
    ['no valid shape', `{${ENTRY.replace('[2]', '[1.5]')}}`],
    ['no valid `data_offsets`', `{${ENTRY.replace('[0,8]', '[8,0]')}}`],
    ['no valid `data_offsets`', `{${ENTRY.replace('[0,8]', '[0,8,8]')}}`],
    ['takes', `{${ENTRY.replace('[2]', '[9007199254740991,9007199254740991]')}}`],
    ['leaves a gap before it', `{${ENTRY.replace('[0,8]', '[8,16]')}}`],
    ['overlaps the one before it', `{${ENTRY},${ENTRY.replace('"a"', '"b"')}}`],
    ['not described by an object', '{"a":[]}'],
    ['is not valid JSON', '{"a":}'],
    ['nests 5 deep', '{"a":[[[[]]]]}'],
    ['holds more than text', `{"__metadata__":{"n":1},${ENTRY}}`],
    ['is not printable text', `{${ENTRY.replace('"a"', '"a\\u001b"')}}`],
  ])('refuses a header in which something is wrong: %s', async (expected, json) => {
    const header = safetensorsHeader(json);
    expect(await refusal(header, header.length + 8)).toContain(expected);
  });

  it('refuses bytes behind the last tensor', async () => {
    const { header, size } = writeSafetensors([{ name: 'a', dtype: 'F32', shape: [2] }]);
    expect(await refusal(header, size + 5)).toContain('5 bytes follow the last tensor');
  });

  it('refuses 100,000 nested lists before any parser sees them', async () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(await refusal(safetensorsHeader(deep))).toContain('nests 100001 deep');
  });

  it('refuses broken UTF-8', async () => {
    const header = safetensorsHeader('{"a\u00e4":1}');
    header[12] = 0xff;
    expect(await refusal(header)).toContain('is not valid UTF-8');
  });

  it.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'it is empty'],
    [
      'a zip with the wrong name',
      Buffer.from('PK\u0003\u0004\u0014\0\0\0\0\0data'),
      'a zip archive, probably a PyTorch checkpoint',
    ],
    ['a list', safetensorsHeader('[1,2]'), 'a header of at most 100 MB that starts with `{`'],
    ['a GGUF', Buffer.from('GGUF\u0003\0\0\0\0\0'), 'a GGUF file'],
    ['a header beyond the limit', Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0x7b]), 'at most 100 MB'],
    [
      'a header beyond the file',
      safetensorsHeader('{}'.padEnd(100)).subarray(0, 50),
      'inside its header of 100 bytes',
    ],
  ])('refuses %s', async (_, bytes, expected) => {
    expect(await refusal(bytes)).toContain(expected);
  });
});
