import * as fc from '../../support/property.ts';
import { describe, expect, test } from 'vitest';
import { parseKfdNode } from '../../../src/hardware/probes/amd.ts';
import {
  parseCgroupMounts,
  parseCpuMax,
  parseMemberships,
} from '../../../src/hardware/probes/cgroup.ts';
import { parseCpuInfo } from '../../../src/hardware/probes/cpu-info.ts';
import { parseAffinity, parseCacheSize } from '../../../src/hardware/probes/cpu.ts';
import { darwinParts } from '../../../src/hardware/probes/darwin.ts';
import { parseNumber, parseNumberList } from '../../../src/hardware/probes/files.ts';
import { parseMemInfo } from '../../../src/hardware/probes/memory.ts';
import {
  NVIDIA_FIELDS,
  parseBusId,
  parseNvidiaRows,
  parseNvLink,
} from '../../../src/hardware/probes/nvidia-smi.ts';
import { parseDriverVersion } from '../../../src/hardware/probes/nvidia.ts';
import { isWslRelease, parseLdd, parseOsRelease } from '../../../src/hardware/probes/os.ts';
import { parseSysctl } from '../../../src/hardware/probes/sysctl.ts';
import { fixture, readTree } from './plant.ts';

/** Every parser with a text that it understands. */
const PARSERS: readonly (readonly [string, string, (text: string) => unknown])[] = [
  ['parseCpuInfo', readTree('epyc-vm').get('/proc/cpuinfo') ?? '', parseCpuInfo],
  ['parseCpuInfo of Arm', readTree('raspberry-pi-5').get('/proc/cpuinfo') ?? '', parseCpuInfo],
  ['parseMemInfo', readTree('epyc-vm').get('/proc/meminfo') ?? '', parseMemInfo],
  ['parseMemberships', '4:memory:/a/b\n0::/c\n', parseMemberships],
  [
    'parseCgroupMounts',
    readTree('container-v1').get('/proc/self/mountinfo') ?? '',
    parseCgroupMounts,
  ],
  ['parseCpuMax', '150000 100000\n', parseCpuMax],
  ['parseAffinity', readTree('xeon-amx').get('/proc/self/status') ?? '', parseAffinity],
  ['parseCacheSize', '32768K\n', parseCacheSize],
  ['parseNumber', '0x030000\n', parseNumber],
  ['parseNumberList', '0-3,8,10-11\n', parseNumberList],
  ['parseOsRelease', readTree('epyc-vm').get('/etc/os-release') ?? '', parseOsRelease],
  ['parseLdd', readTree('epyc-vm').get('/usr/bin/ldd') ?? '', parseLdd],
  ['isWslRelease', '5.15.167.4-microsoft-standard-WSL2', isWslRelease],
  [
    'parseNvidiaRows',
    fixture('nvidia-smi/h100x8.csv'),
    (text) => parseNvidiaRows(text, NVIDIA_FIELDS),
  ],
  ['parseNvLink', fixture('nvidia-smi/h100x8.topo'), parseNvLink],
  ['parseBusId', '00000000:65:00.0', parseBusId],
  [
    'parseDriverVersion',
    readTree('rtx4090').get('/proc/driver/nvidia/version') ?? '',
    parseDriverVersion,
  ],
  [
    'parseKfdNode',
    'gfx_target_version 90402\nlocation_id 1280\ndomain 0\nhive_id 7\n',
    parseKfdNode,
  ],
  ['macOS', fixture('sysctl/m3-max-64gb.txt'), (text) => darwinParts(parseSysctl(text))],
];

/** A text with a few of its characters replaced, dropped or doubled. */
function damaged(text: string): fc.Arbitrary<string> {
  const wound = fc.record({
    at: fc.nat({ max: Math.max(0, text.length - 1) }),
    drop: fc.integer({ min: 0, max: 40 }),
    insert: fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom('\n', ':', '99999999999999999999', '-1', 'NaN'),
    ),
  });
  return fc
    .array(wound, { minLength: 1, maxLength: 5 })
    .map((wounds) =>
      wounds.reduce(
        (result, { at, drop, insert }) => result.slice(0, at) + insert + result.slice(at + drop),
        text,
      ),
    );
}

/** Unknown is `null`: a number that no machine has would be believed. */
function hasImpossibleNumber(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value) || value < 0;
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(hasImpossibleNumber);
}

describe.each(PARSERS)('%s', (_, text, parse) => {
  test('takes any text without an error or an impossible number', () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      damaged(text),
      fc.constantFrom('', '\n', '\0', ':', '0', '-', ','),
    );
    fc.assert(
      fc.property(anyText, (given) => {
        expect(hasImpossibleNumber(parse(given))).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  test('reads its own example', () => {
    expect(parse(text)).not.toBeNull();
    expect(parse(text)).not.toEqual([]);
  });
});

test('a list of CPUs is what the kernel means by it', () => {
  expect(parseNumberList('0-3,8')).toEqual([0, 1, 2, 3, 8]);
  expect(parseNumberList('0-99999999999')).toEqual([]);
  expect(parseNumberList('1,x')).toEqual([]);
});

test('escaped blanks of mountinfo are blanks', () => {
  const line = String.raw`31 24 0:27 / /mnt/my\040groups rw - cgroup2 cgroup2 rw`;
  expect(parseCgroupMounts(line)).toMatchObject([{ mountPoint: '/mnt/my groups', version: 2 }]);
});
