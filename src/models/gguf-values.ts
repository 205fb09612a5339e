/**
 * Answers: how the values of a GGUF header are encoded: type ids, widths, numbers. Nothing here
 * checks a limit; `gguf-cursor.ts` does.
 */

export type GgufScalar = number | bigint | boolean | string;

/** An array's own values are kept only where a model's shape may depend on them. */
export interface GgufArray {
  readonly length: number;
  readonly values: readonly (number | boolean)[] | null;
}
export type GgufValue = GgufScalar | GgufArray;

export const STRING = 8;
export const ARRAY = 9;
/** Bytes of each value type by its id, strings and arrays aside. */
export const SCALAR_BYTES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};

/**
 * Skips up to `count` strings that lie in the window as a whole. A vocabulary has 10^5 of them and
 * this runs before any compilation, so it reads plain bytes; longer than 65,535 stops the loop.
 */
export function skipWholeStrings(
  window: Buffer,
  start: number,
  count: number,
): { readonly index: number; readonly strings: number } {
  const end = window.length;
  let index = start;
  let strings = 0;
  while (strings < count && index + 8 <= end) {
    const low = (window[index] ?? 0) | ((window[index + 1] ?? 0) << 8);
    const next = index + 8 + low;
    if (next > end) break;
    // The six upper bytes of the length; anything there is left to the slow path.
    const isLong =
      window[index + 2] !== 0 ||
      window[index + 3] !== 0 ||
      window[index + 4] !== 0 ||
      window[index + 5] !== 0 ||
      window[index + 6] !== 0 ||
      window[index + 7] !== 0;
    if (isLong) break;
    index = next;
    strings += 1;
  }
  return { index, strings };
}

/** Exact up to 2^53; callers refuse what is larger, so that rounding above does no harm. */
export function readUnsigned64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
}

export function readScalar(bytes: Buffer, at: number, type: number): number | bigint | boolean {
  switch (type) {
    case 0:
      return bytes.readUInt8(at);
    case 1:
      return bytes.readInt8(at);
    case 2:
      return bytes.readUInt16LE(at);
    case 3:
      return bytes.readInt16LE(at);
    case 4:
      return bytes.readUInt32LE(at);
    case 5:
      return bytes.readInt32LE(at);
    case 6:
      return bytes.readFloatLE(at);
    case 7:
      return bytes.readUInt8(at) !== 0;
    case 10:
      return narrowed(bytes.readBigUInt64LE(at));
    case 11:
      return narrowed(bytes.readBigInt64LE(at));
    default:
      return bytes.readDoubleLE(at);
  }
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
