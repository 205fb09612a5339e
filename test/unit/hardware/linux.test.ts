import { describe, expect, test, vi } from 'vitest';
import { detectMachine, type Machine } from '../../../src/hardware/detect.ts';
import { GIB } from '../../../src/base/units.ts';
import { NO_TOOLS, plant, plantTree, readTree, temporaryFolder } from './plant.ts';

async function detect(root: string): Promise<Machine> {
  return await detectMachine({ root, dataPath: root, env: NO_TOOLS, platform: 'linux' });
}

describe('processor', () => {
  test('reads a recorded EPYC virtual machine: cores, instruction sets, one shared 32 MiB cache', async () => {
    const { cpu } = await detect(plantTree('epyc-vm'));
    expect(cpu).toEqual({
      model: 'AMD EPYC',
      vendor: 'amd',
      architecture: 'x64',
      coresPhysical: 2,
      coresLogical: 2,
      coresUsable: 2,
      isa: ['avx', 'avx2', 'fma', 'f16c', 'avx512f', 'avx512bw', 'avx512vnni', 'avx512bf16'],
      lastLevelCacheBytes: 32 * 1024 * 1024,
      numaNodes: 1,
    });
  });

  test('counts cores, not threads, on a two-socket Xeon with AMX, and only the CPUs of the affinity mask as usable', async () => {
    const { cpu } = await detect(plantTree('xeon-amx'));
    expect(cpu).toMatchObject({
      model: 'Intel(R) Xeon(R) Platinum 8480+',
      vendor: 'intel',
      coresPhysical: 4,
      coresLogical: 8,
      coresUsable: 4,
      numaNodes: 2,
      lastLevelCacheBytes: 2 * 105 * 1024 * 1024,
    });
    expect(cpu.isa).toEqual(expect.arrayContaining(['amx-tile', 'amx-int8', 'amx-bf16']));
  });

  test('counts the same cores from /proc/cpuinfo when /sys shows no topology', async () => {
    const files = [...readTree('xeon-amx')].filter(([path]) => !path.startsWith('/sys/devices'));
    const { cpu, sources } = await detect(plant(new Map(files)));
    expect(cpu).toMatchObject({ coresPhysical: 4, coresLogical: 8, coresUsable: 4 });
    expect(cpu).toMatchObject({ lastLevelCacheBytes: null, numaNodes: null });
    expect(sources['cpu.coresPhysical']).toBe('/proc/cpuinfo');
  });

  test('names the core of a Graviton 3 and its vector extensions', async () => {
    const { cpu } = await detect(plantTree('graviton3'));
    expect(cpu).toMatchObject({
      model: 'Neoverse-V1',
      vendor: 'arm',
      architecture: 'arm64',
      coresPhysical: 4,
      isa: ['neon', 'dotprod', 'fp16', 'bf16', 'i8mm', 'sve'],
    });
  });

  test('names a Raspberry Pi 5 by core and board', async () => {
    const { cpu, memory } = await detect(plantTree('raspberry-pi-5'));
    expect(cpu).toMatchObject({
      model: 'Cortex-A76 (Raspberry Pi 5 Model B Rev 1.0)',
      isa: ['neon', 'dotprod', 'fp16'],
      lastLevelCacheBytes: 2 * 1024 * 1024,
      numaNodes: null,
    });
    expect(memory.bytesTotal).toBe(8_245_424 * 1024);
  });

  test('reads 300 processors without losing the model when /proc/cpuinfo is cut off', async () => {
    const one = readTree('epyc-vm').get('/proc/cpuinfo')?.split('\n\n')[0] ?? '';
    const many = Array.from({ length: 300 }, (_, index) =>
      one
        .replace(/^processor.*$/m, `processor\t: ${index}`)
        .replace(/^core id.*$/m, `core id\t: ${index}`),
    );
    const files = new Map(readTree('epyc-vm')).set('/proc/cpuinfo', many.join('\n\n'));
    const { cpu } = await detect(plant(files));
    expect(cpu).toMatchObject({ model: 'AMD EPYC', coresLogical: 2 });
    expect(cpu.isa).toContain('avx512bf16');
  });
});

describe('memory and control groups', () => {
  test('no limit is no limit, also as the largest number of cgroup 1', async () => {
    const { memory, cpu, sources } = await detect(plantTree('epyc-vm'));
    expect(memory.bytesLimit).toBeNull();
    expect(memory.bytesAvailable).toBeGreaterThan(20 * GIB);
    expect(cpu.coresUsable).toBe(2);
    expect(sources['memory.bytesLimit']).toBeUndefined();
  });

  test('a container of cgroup 2 has 4 GiB, of which 3 GiB are left, and one whole core', async () => {
    const { memory, cpu, os, sources } = await detect(plantTree('container-v2'));
    expect(memory.bytesLimit).toBe(4 * GIB);
    // 1.5 GiB used, 0.5 GiB of it page cache that the kernel drops first.
    expect(memory.bytesAvailable).toBe(3 * GIB);
    expect(cpu.coresUsable).toBe(1);
    expect(os.isContainer).toBe(true);
    expect(sources['memory.bytesLimit']).toBe('/sys/fs/cgroup/memory.max');
  });

  test('a container of cgroup 1 is found though its path is only seen from outside', async () => {
    const { memory, cpu, os } = await detect(plantTree('container-v1'));
    expect(memory.bytesLimit).toBe(2 * GIB);
    expect(memory.bytesAvailable).toBe(2 * GIB - 1_000_000_000);
    expect(cpu.coresUsable).toBe(1);
    expect(os.isContainer).toBe(true);
  });

  test('the tightest limit wins, also when it stands on an ancestor and is only `memory.high`', async () => {
    const { memory, cpu, sources } = await detect(plantTree('slices-v2'));
    expect(memory.bytesLimit).toBe(6 * GIB);
    expect(memory.bytesAvailable).toBe(5 * GIB);
    expect(cpu.coresUsable).toBe(1);
    expect(sources['memory.bytesLimit']).toBe('/sys/fs/cgroup/a.slice/memory.high');
  });
});

describe('operating system', () => {
  test('Debian in a container, with its glibc', async () => {
    const { os } = await detect(plantTree('epyc-vm'));
    expect(os).toEqual({
      platform: 'linux',
      name: 'Debian GNU/Linux 12 (bookworm)',
      release: '6.18.44',
      libc: { name: 'glibc', version: '2.36' },
      isWsl: false,
      isContainer: true,
    });
  });

  test('tells WSL by the kernel release', async () => {
    const { os } = await detect(plantTree('wsl2'));
    expect(os).toMatchObject({ isWsl: true, isContainer: false, name: 'Ubuntu 22.04.5 LTS' });
  });

  test('tells musl by its ldd script', async () => {
    const { os } = await detect(plantTree('alpine'));
    expect(os.libc).toEqual({ name: 'musl', version: null });
  });

  test('reads glibc of Ubuntu and of Amazon Linux, which word it differently', async () => {
    expect((await detect(plantTree('xeon-amx'))).os.libc?.version).toBe('2.39');
    expect((await detect(plantTree('graviton3'))).os.libc?.version).toBe('2.34');
  });
});

describe('disk and the empty machine', () => {
  test('asks the nearest folder that exists, and keeps the path that was asked about', async () => {
    const root = temporaryFolder();
    const dataPath = `${root}/not/made/yet`;
    const { disk, sources } = await detectMachine({ root, dataPath, env: NO_TOOLS });
    expect(disk.path).toBe(dataPath);
    expect(disk.bytesFree).toBeGreaterThan(0);
    expect(disk.bytesTotal).toBeGreaterThanOrEqual(disk.bytesFree ?? Number.POSITIVE_INFINITY);
    expect(sources['disk.bytesFree']).toBe(`statfs ${root}`);
  });

  test('a machine without any file is unknown in every value, not an error', async () => {
    const machine = await detect(temporaryFolder());
    expect(machine.cpu).toMatchObject({
      model: null,
      coresPhysical: null,
      coresUsable: null,
      isa: [],
    });
    expect(machine.memory.bytesTotal).toBeNull();
    expect(machine.os).toMatchObject({ name: null, release: null, libc: null, isWsl: null });
    expect(machine.accelerators).toEqual([]);
  });

  test('a machine whose files hold nothing but rubbish is unknown, not an error', async () => {
    const trees = ['epyc-vm', 'container-v1', 'slices-v2', 'h100x8', 'mi300x2'].flatMap((name) => [
      ...readTree(name).keys(),
    ]);
    const machine = await detect(
      plant(new Map(trees.map((path) => [path, '\0: -1 max,\n\n: x\n']))),
    );
    expect(machine.cpu).toMatchObject({ model: null, coresPhysical: null, coresUsable: null });
    expect(machine.memory).toMatchObject({
      bytesTotal: null,
      bytesAvailable: null,
      bytesLimit: null,
    });
    expect(machine.accelerators).toEqual([]);
  });

  test('without a card nobody asks for the signal, which takes time to make', async () => {
    const root = plantTree('epyc-vm');
    const signal = vi.fn(() => AbortSignal.abort());
    await detectMachine({ root, dataPath: root, env: NO_TOOLS, platform: 'linux', signal });
    expect(signal).not.toHaveBeenCalled();
  });
});
