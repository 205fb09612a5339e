import { describe, expect, test } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import { detectMachine, type Machine } from '../../../src/hardware/detect.ts';
import { gfxName, parseKfdNode } from '../../../src/hardware/probes/amd.ts';
import { darwinParts } from '../../../src/hardware/probes/darwin.ts';
import { parseSysctl } from '../../../src/hardware/probes/sysctl.ts';
import { windowsAccelerator } from '../../../src/hardware/probes/windows.ts';
import {
  fixture,
  NO_TOOLS,
  plant,
  plantTree,
  printing,
  readTree,
  temporaryFolder,
  withTool,
} from './plant.ts';

async function detect(tree: string, env: NodeJS.ProcessEnv = NO_TOOLS): Promise<Machine> {
  const root = plantTree(tree);
  return await detectMachine({ root, dataPath: root, env, platform: 'linux' });
}

describe('AMD', () => {
  test('two MI300X of one hive, in the order of the KFD nodes, though node 10 sorts before 2 as text', async () => {
    const { accelerators } = await detect('mi300x2');
    expect(accelerators).toMatchObject([
      {
        vendor: 'amd',
        name: 'AMD Instinct MI300X',
        index: 0,
        class: 'data-centre',
        gfx: 'gfx942',
        driver: '6.10.5',
        memoryBytesTotal: 206_141_652_992,
        memoryBytesFree: 206_141_652_992 - 296_878_080,
        bandwidthBytesPerSecond: 5300e9,
        hasPeerLink: true,
        pciAddress: '0000:05:00.0',
      },
      { index: 1, pciAddress: '0000:26:00.0', hasPeerLink: true },
    ]);
  });

  test('HIP_VISIBLE_DEVICES hides the first of two', async () => {
    const { accelerators } = await detect('mi300x2', { ...NO_TOOLS, HIP_VISIBLE_DEVICES: '1' });
    expect(accelerators.map(({ index }) => index)).toEqual([1]);
  });

  test('the GPU of a Strix Halo works in the machine’s memory, whatever the firmware set aside', async () => {
    const { accelerators, memory } = await detect('strix-halo');
    expect(accelerators).toMatchObject([
      {
        class: 'integrated',
        memoryKind: 'unified',
        memoryBytesTotal: memory.bytesTotal,
        memoryBytesFree: memory.bytesAvailable,
        bandwidthBytesPerSecond: 256e9,
        gfx: 'gfx1151',
        driver: 'kernel 6.18.44',
      },
    ]);
  });

  test('the revision tells an RX 7900 XTX from its siblings, and the processor’s own graphics come last', async () => {
    const { accelerators } = await detect('rx7900xtx');
    expect(accelerators.map(({ name }) => name)).toEqual([
      'AMD Radeon RX 7900 XTX',
      'AMD Radeon Graphics (Raphael)',
    ]);
    expect(accelerators[0]).toMatchObject({ gfx: 'gfx1100', bandwidthBytesPerSecond: 960e9 });
  });

  test('without the amdgpu driver the card is named, and its memory and driver are unknown', async () => {
    const files = [...readTree('rx7900xtx')].filter(
      ([path]) => !path.includes('mem_info') && !path.includes('kfd'),
    );
    const root = plant(new Map(files));
    const machine = await detectMachine({ root, dataPath: root, env: NO_TOOLS, platform: 'linux' });
    expect(machine.accelerators[0]).toMatchObject({
      name: 'AMD Radeon RX 7900 XTX',
      memoryBytesTotal: null,
      driver: null,
      gfx: 'gfx1100',
    });
  });

  test('writes minor and stepping of a target as hex digits', () => {
    expect([90_010, 90_402, 90_500, 100_306, 110_501, 120_001].map(gfxName)).toEqual([
      'gfx90a',
      'gfx942',
      'gfx950',
      'gfx1036',
      'gfx1151',
      'gfx1201',
    ]);
    expect(gfxName(0)).toBeNull();
  });

  test('a KFD node that is a processor is no GPU', () => {
    expect(parseKfdNode('cpu_cores_count 96\ngfx_target_version 0\nlocation_id 0\n')).toBeNull();
  });
});

describe('Intel and others', () => {
  test('an Arc card first, the processor’s graphics last, NPU and remote display left out', async () => {
    const { accelerators, memory } = await detect('arc-b580');
    expect(accelerators).toMatchObject([
      {
        name: 'Intel Arc B580',
        class: 'consumer',
        memoryKind: 'dedicated',
        memoryBytesTotal: 12 * GIB,
        bandwidthBytesPerSecond: 456e9,
      },
      {
        name: 'Intel GPU 8086:a780',
        class: 'integrated',
        memoryKind: 'unified',
        memoryBytesTotal: memory.bytesTotal,
      },
    ]);
  });

  test('an accelerator of an unknown vendor is named by its PCI numbers', async () => {
    const { accelerators } = await detect('gaudi');
    expect(accelerators).toMatchObject([
      { vendor: 'other', name: 'accelerator 1da3:1020', class: null, memoryBytesTotal: null },
    ]);
  });

  test('a machine without a GPU says where it was looked for', async () => {
    const { accelerators, sources } = await detect('epyc-vm');
    expect(accelerators).toEqual([]);
    expect(sources['accelerators']).toBe('/sys/bus/pci/devices');
  });
});

describe('macOS', () => {
  test('an M3 Max with 64 GB: unified memory, the wider bus, two clusters’ caches', async () => {
    const root = temporaryFolder();
    const env = withTool('sysctl', `${printing('sysctl/m3-max-64gb.txt')}; exit 1`);
    const machine = await detectMachine({ root, dataPath: root, env, platform: 'darwin' });
    expect(machine.os).toMatchObject({ platform: 'darwin', name: 'macOS 15.3.1' });
    expect(machine.cpu).toMatchObject({
      model: 'Apple M3 Max',
      vendor: 'apple',
      architecture: 'arm64',
      coresPhysical: 16,
      coresUsable: 16,
      isa: ['neon', 'dotprod', 'fp16', 'bf16', 'i8mm'],
      lastLevelCacheBytes: 32 * 1024 * 1024,
    });
    expect(machine.memory).toMatchObject({ bytesTotal: 64 * GIB, bytesAvailable: 48 * GIB });
    expect(machine.accelerators).toMatchObject([
      {
        vendor: 'apple',
        name: 'Apple M3 Max',
        class: 'integrated',
        memoryKind: 'unified',
        memoryBytesTotal: 64 * GIB,
        bandwidthBytesPerSecond: 400e9,
        appleGeneration: 3,
      },
    ]);
  });

  test('a limit that the user set for the GPU cuts its memory, not the machine’s', () => {
    const { memory, accelerators } = darwinParts(
      parseSysctl(fixture('sysctl/m1-16gb-limited.txt')),
    );
    expect(memory.bytesTotal).toBe(16 * GIB);
    expect(accelerators).toMatchObject([
      {
        memoryBytesTotal: 14_000 * 1024 * 1024,
        appleGeneration: 1,
        bandwidthBytesPerSecond: 68.3e9,
      },
    ]);
  });

  test('a Mac with an Intel processor has no accelerator', () => {
    const { cpu, accelerators } = darwinParts(parseSysctl(fixture('sysctl/intel-mac.txt')));
    expect(cpu).toMatchObject({
      vendor: 'intel',
      architecture: 'x64',
      isa: ['avx', 'avx2', 'fma', 'f16c'],
      lastLevelCacheBytes: 12 * 1024 * 1024,
    });
    expect(accelerators).toEqual([]);
  });

  test('without `sysctl` everything is unknown', async () => {
    const root = temporaryFolder();
    const machine = await detectMachine({
      root,
      dataPath: root,
      env: NO_TOOLS,
      platform: 'darwin',
    });
    expect(machine.cpu).toMatchObject({ model: null, coresPhysical: null });
    expect(machine.accelerators).toEqual([]);
  });
});

describe('Windows', () => {
  test('believes video memory only below the 4 GiB at which old interfaces cap it', () => {
    const card = {
      vendor: 'Advanced Micro Devices, Inc.',
      model: 'AMD Radeon RX 7900 XTX',
      vramDynamic: false,
    };
    expect(windowsAccelerator({ ...card, vram: 4095 }, 0)?.accelerator.memoryBytesTotal).toBeNull();
    expect(windowsAccelerator({ ...card, vram: 2048 }, 0)?.accelerator).toMatchObject({
      vendor: 'amd',
      memoryBytesTotal: 2 * GIB,
    });
  });

  test('a remote display adapter is no accelerator', () => {
    const adapter = {
      vendor: 'Microsoft',
      model: 'Microsoft Basic Display Adapter',
      vram: 0,
      vramDynamic: false,
    };
    expect(windowsAccelerator(adapter, 0)).toBeNull();
  });
});
