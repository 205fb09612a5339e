/** What runs already is not missing to the one who joins it. */
import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../../src/launch/ledger.ts';
import { machineWithout } from '../../../src/launch/running.ts';
import { testMachine } from '../../fixtures/machines/load.ts';

const GIB = 2 ** 30;

function session(memoryBytes: number, accelerators: readonly number[]): LedgerEntry {
  return {
    key: '0123abcd',
    bootId: null,
    guard: { pid: 1, startTime: 1 },
    engine: null,
    control: '/c.sock',
    address: { kind: 'unix', path: '/e.sock' },
    state: 'ready',
    startMs: 1,
    startedAt: '2026-11-21T00:00:00Z',
    logFile: '/log',
    about: {
      engine: 'fake',
      engineName: 'Fake',
      version: '1',
      recipe: 'stdlib',
      model: 'm',
      device: accelerators.length === 0 ? 'cpu' : 'nvidia',
      accelerators,
      contextTokens: 1,
      slots: 1,
      memoryBytes,
    },
  };
}

describe('machineWithout', () => {
  it('gives a session on the CPU its memory back, and no card any', () => {
    const machine = testMachine('synthetic-h200');
    const tight = { ...machine, memory: { ...machine.memory, bytesAvailable: 4 * GIB } };
    const freed = machineWithout([session(3 * GIB, [])], tight);
    expect(freed.memory.bytesAvailable).toBe(7 * GIB);
    expect(freed.accelerators).toEqual(tight.accelerators);
  });

  it('gives a session on cards its memory back there, in equal parts', () => {
    const machine = testMachine('synthetic-h200');
    const cards = machine.accelerators.map((card) => ({ ...card, memoryBytesFree: 10 * GIB }));
    const indices = cards.map(({ index }) => index);
    const freed = machineWithout([session(cards.length * 5 * GIB, indices)], {
      ...machine,
      accelerators: cards,
    });
    expect(freed.accelerators.map(({ memoryBytesFree }) => memoryBytesFree)).toEqual(
      cards.map(() => 15 * GIB),
    );
    expect(freed.memory).toEqual(machine.memory);
  });

  it('never makes more than there is, and nothing of what is unknown', () => {
    const machine = testMachine('recorded-epyc-2core');
    const { bytesTotal } = machine.memory;
    expect(machineWithout([session(999 * GIB, [])], machine).memory.bytesAvailable).toBe(
      bytesTotal,
    );
    const unknown = { ...machine, memory: { ...machine.memory, bytesAvailable: null } };
    expect(machineWithout([session(GIB, [])], unknown).memory.bytesAvailable).toBeNull();
  });
});
