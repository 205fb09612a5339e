/** A machine shared by equal engines: each plans for its part, and nothing unknown becomes a number. */
import { describe, expect, it } from 'vitest';
import { shareOf } from '../../../src/hardware/share.ts';
import { testMachine } from '../../fixtures/machines/load.ts';

describe('the share of a machine', () => {
  it('is a part of cores and memory, cards included, and at least one core', () => {
    const whole = testMachine('synthetic-h200');
    const half = shareOf(whole, 2);
    const [card, halfCard] = [whole.accelerators[0], half.accelerators[0]];
    expect(half.memory.bytesAvailable).toBe(Math.floor((whole.memory.bytesAvailable ?? 0) / 2));
    expect(halfCard?.memoryBytesFree).toBe(Math.floor((card?.memoryBytesFree ?? 0) / 2));
    expect(shareOf(whole, 10_000).cpu.coresUsable).toBe(1);
  });

  it('of one is the machine itself, and what is unknown stays unknown', () => {
    const whole = testMachine('recorded-epyc-2core');
    expect(shareOf(whole, 1)).toEqual(whole);
    const unknown = testMachine('synthetic-all-unknown');
    expect(shareOf(unknown, 2)).toEqual(unknown);
  });
});
