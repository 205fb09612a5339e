import { expect, test } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { NVIDIA_GPUS } from '../../../src/hardware/gpu-nvidia.ts';
import { AMD_GPUS, INTEL_GPUS } from '../../../src/hardware/gpu-others.ts';
import { appleChip, findGpuByName, findGpuByPci } from '../../../src/hardware/gpu-table.ts';

test('no two rows of a table say the same card twice', () => {
  for (const table of [NVIDIA_GPUS, AMD_GPUS, INTEL_GPUS]) {
    const keys = table.map(({ name, memoryGib }) => `${name} ${memoryGib}`);
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  }
});

test('every row has the target of its vendor and a bandwidth between an old and a future card', () => {
  expect(NVIDIA_GPUS.filter(({ target }) => !/^\d+\.\d$/.test(target ?? ''))).toEqual([]);
  expect(AMD_GPUS.filter(({ target }) => !/^gfx[0-9a-f]{3,4}$/.test(target ?? ''))).toEqual([]);
  const rates = [...NVIDIA_GPUS, ...AMD_GPUS, ...INTEL_GPUS].map((row) => row.bandwidthGbps ?? 100);
  expect(Math.min(...rates)).toBeGreaterThanOrEqual(100);
  expect(Math.max(...rates)).toBeLessThanOrEqual(8000);
});

test.each([
  ['NVIDIA H100 80GB HBM3', 81_559, 'data-centre', 3350, '9.0'],
  ['NVIDIA H200', 143_771, 'data-centre', 4800, '9.0'],
  ['NVIDIA B200', 183_359, 'data-centre', 8000, '10.0'],
  ['NVIDIA A100-SXM4-80GB', 81_920, 'data-centre', 2039, '8.0'],
  ['Tesla V100-SXM2-32GB', 32_768, 'data-centre', 900, '7.0'],
  ['Tesla T4', 15_360, 'data-centre', 320, '7.5'],
  ['NVIDIA L40S', 46_068, 'data-centre', 864, '8.9'],
  ['NVIDIA RTX A6000', 49_140, 'workstation', 768, '8.6'],
  ['NVIDIA RTX 6000 Ada Generation', 49_140, 'workstation', 960, '8.9'],
  ['NVIDIA RTX PRO 6000 Blackwell Workstation Edition', 97_887, 'workstation', 1792, '12.0'],
  ['NVIDIA GeForce RTX 5090', 32_607, 'consumer', 1792, '12.0'],
  ['NVIDIA GeForce RTX 4070 Laptop GPU', 8188, 'consumer', 256, '8.9'],
  ['GeForce RTX 3090', 24_576, 'consumer', 936, '8.6'],
])('knows %s as nvidia-smi writes it', (name, mib, cardClass, gbps, capability) => {
  expect(findGpuByName('nvidia', name, mib * MIB)).toMatchObject({
    class: cardClass,
    bandwidthBytesPerSecond: gbps * 1e9,
    computeCapability: capability,
  });
});

test('cards of one name are told apart by their memory, and are unknown in it without', () => {
  expect(
    findGpuByName('nvidia', 'NVIDIA GeForce RTX 3080', 10_240 * MIB)?.bandwidthBytesPerSecond,
  ).toBe(760e9);
  expect(
    findGpuByName('nvidia', 'NVIDIA GeForce RTX 3080', 12_288 * MIB)?.bandwidthBytesPerSecond,
  ).toBe(912e9);
  expect(findGpuByName('nvidia', 'NVIDIA GeForce RTX 3080', null)).toMatchObject({
    class: 'consumer',
    bandwidthBytesPerSecond: null,
    computeCapability: '8.6',
  });
});

test('a similar name is another card: nothing is inferred', () => {
  expect(findGpuByName('nvidia', 'NVIDIA GeForce RTX 6090', 48 * GIB)).toBeNull();
  expect(findGpuByName('nvidia', 'NVIDIA GeForce RTX 4090 Ultra', 24 * GIB)).toBeNull();
  expect(findGpuByPci('amd', { device: 0xffff, revision: 0xc8, memoryBytes: 16 * GIB })).toBeNull();
});

test('one PCI number for several cards: revision decides, then memory, then only what all agree on', () => {
  const device = 0x744c;
  const byRevision = findGpuByPci('amd', { device, revision: 0xcc, memoryBytes: null });
  expect(byRevision).toMatchObject({ name: 'Radeon RX 7900 XT', bandwidthBytesPerSecond: 800e9 });
  const byMemory = findGpuByPci('amd', { device, revision: 0x01, memoryBytes: 23.98 * GIB });
  expect(byMemory?.name).toBe('Radeon RX 7900 XTX');
  const neither = findGpuByPci('amd', { device, revision: null, memoryBytes: null });
  expect(neither).toMatchObject({
    gfx: 'gfx1100',
    bandwidthBytesPerSecond: null,
    memoryBytes: null,
  });
  const arc = findGpuByPci('intel', { device: 0x56a0, revision: null, memoryBytes: null });
  expect(arc).toMatchObject({ name: 'Arc A770', memoryBytes: null });
});

test('Apple chips: the narrower Max is known by its memory, and an unknown chip keeps its generation', () => {
  expect(appleChip('Apple M1', 16)).toEqual({ generation: 1, bandwidthGbps: 68.3 });
  expect(appleChip('Apple M4 Max', 36)?.bandwidthGbps).toBe(410);
  expect(appleChip('Apple M4 Max', 128)?.bandwidthGbps).toBe(546);
  expect(appleChip('Apple M4 Max', null)?.bandwidthGbps).toBeNull();
  expect(appleChip('Apple M9 Pro', 64)).toEqual({ generation: 9, bandwidthGbps: null });
  expect(appleChip('Intel(R) Core(TM) i7', 16)).toBeNull();
});
