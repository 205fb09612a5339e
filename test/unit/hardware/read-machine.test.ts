import * as fc from '../../support/property.ts';
import { expect, test } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import { detectMachine } from '../../../src/hardware/detect.ts';
import { MACHINE_SCHEMA } from '../../../src/hardware/machine.ts';
import { parseMachine } from '../../../src/hardware/read-machine.ts';
import { NO_TOOLS, plantTree, printing, withTool } from './plant.ts';

test.each(['epyc-vm', 'container-v2', 'h100x8', 'mi300x2', 'arc-b580', 'graviton3'])(
  'what was detected on %s comes back unchanged through JSON',
  async (tree) => {
    const root = plantTree(tree);
    const env =
      tree === 'h100x8' ? withTool('nvidia-smi', printing('nvidia-smi/h100x8.csv')) : NO_TOOLS;
    const machine = await detectMachine({ root, dataPath: root, env, platform: 'linux' });
    expect(parseMachine(JSON.parse(JSON.stringify(machine)))).toEqual(machine);
  },
);

test('an empty object is a machine of which nothing is known', () => {
  expect(parseMachine({})).toMatchObject({
    schema: MACHINE_SCHEMA,
    cpu: { model: null, isa: [] },
    memory: { bytesTotal: null },
    accelerators: [],
    nodes: 1,
  });
});

test('fields and instruction sets of a later version are passed over', () => {
  const machine = parseMachine({ cpu: { isa: ['avx2', 'avx10'], dies: 4 }, npu: [{}] });
  expect(machine.cpu.isa).toEqual(['avx2']);
  expect(machine).not.toHaveProperty('npu');
});

test('accelerators without an index are counted', () => {
  const machine = parseMachine({ accelerators: [{ vendor: 'nvidia' }, { vendor: 'nvidia' }] });
  expect(machine.accelerators.map(({ index }) => index)).toEqual([0, 1]);
});

test.each([
  [
    { memory: { bytesTotal: '12 GB' } },
    '`--machine` got `"12 GB"`, expected number at `memory.bytesTotal`',
  ],
  [
    { cpu: { coresPhysical: 1.5 } },
    '`--machine` got `1.5`, expected a whole number at `cpu.coresPhysical`',
  ],
  [
    { accelerators: [{}, { memoryBytesTotal: -1 }] },
    '`--machine` got `-1`, expected a number not below 0 at `accelerators[1].memoryBytesTotal`',
  ],
  [{ nodes: 0 }, '`--machine` got `0`, expected a number above 0 at `nodes`'],
  [{ os: { libc: {} } }, '`--machine` got `nothing`, expected `glibc`, `musl` at `os.libc.name`'],
  [
    { schema: 'hyperllama.machine/9' },
    '`--machine` got `"hyperllama.machine/9"`, expected `hyperllama.machine/1` at `schema`',
  ],
  [
    { accelerators: [{ computeCapability: 'sm_90' }] },
    '`--machine` got `"sm_90"`, expected text like `9.0` at `accelerators[0].computeCapability`',
  ],
  [null, '`--machine` got `null`, expected object at `$`'],
])('refuses %j, naming place, value and what is expected', (json, message) => {
  expect(() => parseMachine(json)).toThrow(message);
  expect(() => parseMachine(json)).toThrow(
    expect.objectContaining({ code: 'HL_OPTION_INVALID', exitCode: 2 }),
  );
});

/** What became of it: a schema, or the code of our error; any other error is thrown on. */
function outcome(json: unknown): string {
  try {
    return parseMachine(json).schema;
  } catch (error) {
    if (error instanceof HyperLlamaError) return error.code;
    throw error;
  }
}

test('any JSON is a machine or a usage error, never another error', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (json) => {
      expect([MACHINE_SCHEMA, 'HL_OPTION_INVALID']).toContain(outcome(json));
    }),
    { numRuns: 200 },
  );
});
