/** How fast bytes come and how long the rest takes, as a person reads it. */
import { describe, expect, it } from 'vitest';
import { ByteRate, formatTransfer } from '../../../src/base/byte-rate.ts';
import { MIB } from '../../../src/base/units.ts';
import * as fc from '../../support/property.ts';

/** A rate that was told of these totals, one a second. */
function rateOf(...totals: readonly number[]): ByteRate {
  const rate = new ByteRate();
  totals.forEach((bytes, second) => rate.note(bytes, second * 1000));
  return rate;
}

describe('a rate', () => {
  it('is unknown until there is a second to judge by', () => {
    const rate = rateOf(0);
    expect(rate.bytesPerSecond).toBeNull();
    rate.note(MIB, 900);
    expect(rate.bytesPerSecond).toBeNull();
    rate.note(2 * MIB, 2000);
    expect(rate.bytesPerSecond).toBe(MIB);
  });

  it('forgets what was more than twenty seconds ago: a stall ends in 0', () => {
    const stalled = rateOf(0, 100 * MIB, ...Array.from({ length: 22 }, () => 100 * MIB));
    expect(stalled.bytesPerSecond).toBe(0);
  });

  it('begins anew when the bytes are of something else', () => {
    expect(rateOf(0, 50 * MIB, 0).bytesPerSecond).toBeNull();
  });

  it('of a steady download is its speed, however often it is noted', () => {
    const speed = fc.integer({ min: 1, max: 10 ** 9 });
    const times = fc.uniqueArray(fc.integer({ min: 0, max: 60_000 }), { minLength: 3 });
    fc.assert(
      fc.property(speed, times, (bytesPerMs, atMs) => {
        const rate = new ByteRate();
        for (const at of atMs.sort((a, b) => a - b)) rate.note(at * bytesPerMs, at);
        // Too short to tell is allowed, another speed is not.
        expect(rate.bytesPerSecond ?? bytesPerMs * 1000).toBeCloseTo(bytesPerMs * 1000, 3);
      }),
    );
  });
});

describe('a transfer in words', () => {
  it.each([
    [49 * MIB, 89 * MIB, 5 * MIB, '49 MiB of 89 MiB, 5 MiB/s, 8 s left'],
    [0, 1500 * MIB, 2 * MIB, '0 B of 1.5 GiB, 2 MiB/s, 13 min left'],
    [0, 9000 * MIB, MIB, '0 B of 8.8 GiB, 1 MiB/s, 2 h 30 min left'],
    [49 * MIB, 89 * MIB, 0, '49 MiB of 89 MiB, 0 B/s'],
    [49 * MIB, 89 * MIB, null, '49 MiB of 89 MiB'],
    [89 * MIB, 89 * MIB, MIB, '89 MiB of 89 MiB, 1 MiB/s'],
    [49 * MIB, null, MIB, '49 MiB, 1 MiB/s'],
  ])('%d of %s at %s is `%s`', (bytes, total, rate, words) => {
    expect(formatTransfer(bytes, total, rate)).toBe(words);
  });
});
