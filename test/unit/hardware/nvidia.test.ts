import { execFileSync } from 'node:child_process';
import { createReadStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { detectMachine, type Accelerator } from '../../../src/hardware/detect.ts';
import { machineFiles } from '../../../src/hardware/probes/files.ts';
import {
  NVIDIA_FIELDS,
  parseNvidiaRows,
  parseNvLink,
} from '../../../src/hardware/probes/nvidia-smi.ts';
import { probeNvidia } from '../../../src/hardware/probes/nvidia.ts';
import { probePci } from '../../../src/hardware/probes/pci.ts';
import { fixture, NO_TOOLS, plantTree, printing, temporaryFolder, withTool } from './plant.ts';

async function cards(
  tree: string,
  env: NodeJS.ProcessEnv,
  cacheFolder: string | null = null,
): Promise<readonly Accelerator[]> {
  const root = plantTree(tree);
  const machine = await detectMachine({
    root,
    dataPath: root,
    env,
    cacheFolder,
    platform: 'linux',
  });
  return machine.accelerators;
}

/** A tool that answers the query and the matrix from two fixtures. */
function answering(query: string, matrix: string): string {
  return `case "$1" in topo) ${printing(matrix)};; *) ${printing(query)};; esac`;
}

describe('one card', () => {
  test('takes memory, driver and capability from nvidia-smi, class and bandwidth from the table', async () => {
    const env = withTool('nvidia-smi', printing('nvidia-smi/rtx4090.csv'));
    expect(await cards('rtx4090', env)).toEqual([
      {
        vendor: 'nvidia',
        name: 'NVIDIA GeForce RTX 4090',
        index: 0,
        class: 'consumer',
        memoryBytesTotal: 24_564 * MIB,
        memoryBytesFree: 23_010 * MIB,
        memoryKind: 'dedicated',
        bandwidthBytesPerSecond: 1008e9,
        driver: '550.54.15',
        computeCapability: '8.9',
        gfx: null,
        appleGeneration: null,
        hasPeerLink: false,
        migMode: null,
        pciAddress: '0000:01:00.0',
        source: 'nvidia-smi --query-gpu',
      },
    ]);
  });

  test('says of each value whether the tool or the specification sheet gave it', async () => {
    const root = plantTree('rtx4090');
    const env = withTool('nvidia-smi', printing('nvidia-smi/rtx4090.csv'));
    const { sources } = await detectMachine({ root, dataPath: root, env, platform: 'linux' });
    expect(sources['accelerators[0].driver']).toBe('nvidia-smi --query-gpu');
    expect(sources['accelerators[0].bandwidthBytesPerSecond']).toContain('specification sheet');
    expect(sources['accelerators[0].gfx']).toBeUndefined();
  });

  test('a GB10 answers [N/A]: its memory is the machine’s', async () => {
    const env = withTool('nvidia-smi', printing('nvidia-smi/gb10.csv'));
    const [card] = await cards('rtx4090', env);
    expect(card).toMatchObject({
      class: 'integrated',
      memoryKind: 'unified',
      memoryBytesTotal: 24_684_084 * 1024,
      bandwidthBytesPerSecond: 273e9,
      computeCapability: '12.1',
      pciAddress: '000f:01:00.0',
    });
  });

  test('asks WSL’s tool though no NVIDIA card is on the bus', async () => {
    const env = withTool('nvidia-smi', printing('nvidia-smi/rtx4090.csv'));
    expect(await cards('wsl2', env)).toMatchObject([{ name: 'NVIDIA GeForce RTX 4090' }]);
  });
});

describe('several cards', () => {
  test('eight H100 in the order of the tool, all linked', async () => {
    const env = withTool(
      'nvidia-smi',
      answering('nvidia-smi/h100x8.csv', 'nvidia-smi/h100x8.topo'),
    );
    const found = await cards('h100x8', env);
    expect(found.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(found.every(({ hasPeerLink }) => hasPeerLink === true)).toBe(true);
    expect(found[7]).toMatchObject({
      class: 'data-centre',
      migMode: 'disabled',
      pciAddress: '0000:df:00.0',
      bandwidthBytesPerSecond: 3350e9,
    });
  });

  test('the links are asked once a boot and driver, the free memory every time', async () => {
    const folder = temporaryFolder();
    const log = join(folder, 'calls');
    const body = `echo "$1" >> '${log}'; ${answering('nvidia-smi/h100x8.csv', 'nvidia-smi/h100x8.topo')}`;
    const env = withTool('nvidia-smi', body);
    const cache = join(folder, 'cache');
    await cards('h100x8', env, cache);
    const [card] = await cards('h100x8', env, cache);
    expect(card?.hasPeerLink).toBe(true);
    const calls = readFileSync(log, 'utf8').trim().split('\n');
    expect(calls.filter((call) => call === 'topo')).toHaveLength(1);
    expect(calls.filter((call) => call !== 'topo')).toHaveLength(2);
    expect(readdirSync(cache)).toEqual(['nvidia-topology.json']);
  });

  test('a damaged cache is asked anew', async () => {
    const cache = temporaryFolder();
    writeFileSync(join(cache, 'nvidia-topology.json'), '{"key": "x", "te');
    const env = withTool(
      'nvidia-smi',
      answering('nvidia-smi/h100x8.csv', 'nvidia-smi/h100x8.topo'),
    );
    const [card] = await cards('h100x8', env, cache);
    expect(card?.hasPeerLink).toBe(true);
  });

  test('the mesh of eight V100 counts as linked, two bridged pairs and plain PCIe do not', () => {
    expect(parseNvLink(fixture('nvidia-smi/v100x8-mesh.topo'))).toBe(true);
    expect(parseNvLink(fixture('nvidia-smi/rtx3090x4-bridges.topo'))).toBe(false);
    expect(parseNvLink(fixture('nvidia-smi/rtx4090x2.topo'))).toBe(false);
    expect(parseNvLink('')).toBeNull();
  });

  test('MIG shows on the card that has it', async () => {
    const env = withTool('nvidia-smi', printing('nvidia-smi/a100-mig.csv'));
    const found = await cards('h100x8', env);
    expect(found.map(({ migMode }) => migMode)).toEqual(['enabled', 'disabled']);
  });

  test('CUDA_VISIBLE_DEVICES hides the others, by index and by UUID', async () => {
    const body = printing('nvidia-smi/h100x8.csv');
    const visible = async (list: string): Promise<readonly number[]> => {
      const env = { ...withTool('nvidia-smi', body), CUDA_VISIBLE_DEVICES: list };
      return (await cards('h100x8', env)).map(({ index }) => index);
    };
    expect(await visible('2,5')).toEqual([2, 5]);
    expect(await visible('GPU-7a6e2c10')).toEqual([7]);
    expect(await visible('')).toEqual([]);
    expect(await visible('1,-1,3')).toEqual([1]);
    expect(await visible('MIG-3f2a')).toHaveLength(8);
  });
});

describe('trouble', () => {
  test('a driver of 2021 knows no compute_cap: asked again without, and the table fills in', async () => {
    const env = withTool(
      'nvidia-smi',
      `case "$1" in *compute_cap*) ${printing('nvidia-smi/unknown-field.txt')}; exit 2;; *) ${printing('nvidia-smi/driver-470.csv')};; esac`,
    );
    expect(await cards('rtx4090', env)).toMatchObject([
      { name: 'NVIDIA GeForce RTX 2080 Ti', driver: '470.256.02', computeCapability: '7.5' },
    ]);
  });

  test('one sick card hides neither itself nor the other', () => {
    const rows = parseNvidiaRows(fixture('nvidia-smi/sick-card.csv'), NVIDIA_FIELDS);
    expect(rows).toMatchObject([
      { index: 0, memoryBytesTotal: 24 * GIB },
      { index: 1, memoryBytesTotal: null, memoryBytesFree: null },
    ]);
  });

  const failures: readonly (readonly [string, NodeJS.ProcessEnv | string])[] = [
    ['is missing', NO_TOOLS],
    ['ends with 1', 'exit 1'],
    ['prints garbage', String.raw`printf '0, a, b\377\n,,,,,,,,\n0,\n[N/A], , , , , , , ,\n'`],
    ['cannot reach the driver', `${printing('nvidia-smi/no-driver.txt')}; exit 9`],
    ['is killed', 'kill -9 $$'],
  ];
  test.each(failures)(
    'a tool that %s leaves the card of the bus, without its memory',
    async (_, tool) => {
      const env = typeof tool === 'string' ? withTool('nvidia-smi', tool) : tool;
      expect(await cards('rtx4090', env)).toMatchObject([
        {
          name: 'NVIDIA RTX 4090',
          class: 'consumer',
          computeCapability: '8.9',
          memoryBytesTotal: null,
          memoryBytesFree: null,
          driver: '550.54.15',
          source: '/sys/bus/pci/devices/0000:01:00.0',
        },
      ]);
    },
  );

  test('a tool that hangs is given up at its deadline, and the cards of the bus are named', async () => {
    const files = machineFiles(plantTree('h100x8'));
    const found = await probeNvidia(probePci(files), {
      files,
      env: withTool('nvidia-smi', 'exec sleep 60'),
      memory: {
        bytesTotal: null,
        bytesAvailable: null,
        bytesLimit: null,
        bandwidthBytesPerSecond: null,
      },
      cacheFolder: null,
      deadlineMs: 100,
    });
    expect(found.map(({ accelerator }) => accelerator.name)).toEqual(
      Array.from({ length: 8 }, () => 'NVIDIA H100 80GB HBM3'),
    );
    expect(found[0]?.accelerator).toMatchObject({ driver: '570.124.06', memoryBytesTotal: null });
  });

  test('an abort ends a hanging tool at once', async () => {
    const controller = new AbortController();
    const pipe = join(temporaryFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    // The tool holds the pipe open for as long as it lives.
    const env = withTool('nvidia-smi', `exec 3> '${pipe}'; echo here >&3; exec sleep 60`);
    const root = plantTree('rtx4090');
    const signal = (): AbortSignal => controller.signal;
    const detected = detectMachine({ root, dataPath: root, env, signal, platform: 'linux' });
    const outcome = detected.catch((error: unknown) => error);
    for await (const chunk of createReadStream(pipe)) {
      expect(String(chunk)).toBe('here\n');
      controller.abort(new Error('enough'));
    }
    expect(await outcome).toMatchObject({ message: 'enough' });
  });

  test('an NVSwitch is no card', () => {
    expect(probePci(machineFiles(plantTree('h100x8')))).toHaveLength(8);
  });
});
