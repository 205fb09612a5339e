/** Which build of an engine a machine gets, and why a card of it is left idle. */
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/engines/engine.ts';
import { recipeForMachine } from '../../../../src/engines/shared/recipes.ts';
import { idleCards, machineReasons, recipeReasons } from '../../../../src/engines/shared/usable.ts';
import type { Machine } from '../../../../src/hardware/machine.ts';
import { fakeEngine } from '../../../fixtures/fake-engine/engine.ts';
import { testMachine } from '../../../fixtures/machines/load.ts';

const sizes = { lock: 'l', index: null, bytesDownload: 1, bytesOnDisk: 1 };
const cpu = { id: 'cpu', when: { platforms: ['linux'], devices: ['cpu'] as const }, ...sizes };
const cuda = { id: 'cuda', when: { platforms: ['linux'], devices: ['nvidia'] as const }, ...sizes };

const both: Engine = {
  ...fakeEngine('unix'),
  environments: [cpu, cuda],
  requirements: {
    ...fakeEngine('unix').requirements,
    devices: ['cpu', 'nvidia'],
    computeCapabilityMin: '7.0',
    nvidiaDriverMin: '580.65',
    glibcMin: '2.35',
  },
};
const gpuOnly: Engine = {
  ...both,
  environments: [cuda],
  requirements: { ...both.requirements, devices: ['nvidia'] },
};

const build = (engine: Engine, machine: Machine): string | null =>
  recipeForMachine(engine, machine)?.id ?? null;

describe('the build for', () => {
  it.each([
    ['synthetic-rtx-4090', 'cuda', 'cuda'],
    ['recorded-epyc-2core', 'cpu', null],
    // Its driver is too old: the CPU where that is possible, else the card, to say why not.
    ['synthetic-old-driver-rtx-3060', 'cpu', 'cuda'],
    // Too old a card, which no update mends.
    ['synthetic-kepler-gt-710', 'cpu', 'cuda'],
    ['synthetic-apple-m2-16gb', null, null],
  ])('%s is %s, or %s of an engine for GPUs alone', (name, withCpu, withoutCpu) => {
    const machine = testMachine(name);
    expect([build(both, machine), build(gpuOnly, machine)]).toEqual([withCpu, withoutCpu]);
  });
});

describe('before an install', () => {
  it('an old driver is named with the one that is needed', () => {
    const machine = testMachine('synthetic-old-driver-rtx-3060');
    const [reason] = recipeReasons(gpuOnly, cuda, machine);
    expect(reason?.code).toBe('driver-too-old');
    expect(reason?.because).toMatch(/needs NVIDIA driver 580\.65, \d+.* is installed/);
    expect(reason?.hint).toContain('580.65');
    // The build for the CPU does not mind, but says which card it leaves idle.
    expect(recipeReasons(both, cpu, machine)).toEqual([]);
    expect(idleCards(both, machine)[0]?.because).toMatch(
      /leaves .*3060.* idle: needs NVIDIA driver/,
    );
  });

  it('an old C library is named, whatever the device', () => {
    const here = testMachine('recorded-epyc-2core');
    const machine = {
      ...here,
      os: { ...here.os, libc: { name: 'glibc' as const, version: '2.31' } },
    };
    expect(recipeReasons(both, cpu, machine)).toMatchObject([
      { code: 'libc-too-old', because: 'needs glibc 2.35, this system has 2.31' },
    ]);
  });

  it('an engine for GPUs alone is refused where there is none', () => {
    const machine = testMachine('recorded-epyc-2core');
    expect(machineReasons(gpuOnly, machine)).toMatchObject([{ code: 'device-unsupported' }]);
    expect(idleCards(gpuOnly, machine)).toEqual([]);
  });
});
