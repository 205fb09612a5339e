/** Quantities as people read them. */
import * as fc from '../../support/property.ts';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatParameters,
  GIB,
  KIB,
  MIB,
} from '../../../src/base/units.ts';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [KIB, '1 KiB'],
    [98_362_432, '94 MiB'],
    [3.1 * GIB, '3.1 GiB'],
    [GIB, '1.0 GiB'],
    [-2 * GIB, '-2.0 GiB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('is never off by more than rounding, at any size', () => {
    const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB: KIB, MiB: MIB, GiB: GIB };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
        const [value = '', unit = ''] = formatBytes(bytes).split(' ');
        const step = unitBytes[unit] ?? Number.NaN;
        const rounding = unit === 'GiB' ? 0.05 * GIB : 0.5 * step;
        expect(Math.abs(Number(value) * step - bytes)).toBeLessThanOrEqual(rounding + 1e-3);
      }),
    );
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0 ms'],
    [12.4, '12 ms'],
    [410, '0.41 s'],
    [12_340, '12.3 s'],
    [249_000, '4 min 09 s'],
    [3_600_000, '1 h 00 min'],
    [3_599_999, '1 h 00 min'],
    [7_380_000, '2 h 03 min'],
  ])('%d ms is %s', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });

  it.each([
    [99.7, '0.10 s'],
    [9_999, '10.0 s'],
    [59_990, '1 min 00 s'],
  ])('%d ms does not round into the next unit by half: %s', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });
});

describe('formatCount', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [131_072, '131,072'],
    [1_048_576, '1,048,576'],
  ])('%d is %s', (count, text) => {
    expect(formatCount(count)).toBe(text);
  });
});

describe('formatParameters', () => {
  it.each([
    [135_000_000, '135 M'],
    [8_030_000_000, '8.0 B'],
    [671_000_000_000, '671 B'],
    [900, '900'],
  ])('%d is %s', (count, text) => {
    expect(formatParameters(count)).toBe(text);
  });
});
