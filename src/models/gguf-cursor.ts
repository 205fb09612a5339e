/**
 * Answers: the next number, string or array of a GGUF header, read in large pieces. Every length
 * is checked against a limit and against the file before anything is allocated or skipped.
 */
import { fail } from '../base/errors.ts';
import type { Source } from './file-source.ts';

export type GgufScalar = number | bigint | boolean | string;

/** An array's own values are kept only where a model's shape may depend on them. */
export interface GgufArray {
  readonly length: number;
  readonly values: readonly (number | boolean)[] | null;
}
export type GgufValue = GgufScalar | GgufArray;

/** One read's size: the demo model's header of 1.7 MiB takes two. */
const READ_BYTES = 1024 * 1024;
/** The longest real strings are chat templates and embedded tokenizers of a few MiB. */
const STRING_BYTES_MAX = 16 * 1024 * 1024;
/** All strings that are decoded and kept, together. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;
/** All array elements of a header together: the largest vocabularies have 0.3 million entries. */
const ELEMENTS_MAX = 32 * 1024 * 1024;
/** llama.cpp writes flat arrays only; the format allows nesting. */
const ARRAY_DEPTH_MAX = 4;
/** Per-layer lists have some hundred entries; longer arrays are vocabularies and their scores. */
const ARRAY_KEPT_MAX = 4096;

const STRING = 8;
const ARRAY = 9;
/** Bytes of each value type by its id, strings and arrays aside. */
const SCALAR_BYTES: Readonly<Record<number, number>> = {
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

export class GgufCursor {
  readonly path: string;
  readonly #source: Source;
  #window: Buffer = Buffer.alloc(0);
  /** Of the window's first byte, in the file. */
  #windowOffset = 0;
  /** Of the next byte, in the window. */
  #index = 0;
  #elementsLeft = ELEMENTS_MAX;
  #keptBytesLeft = KEPT_BYTES_MAX;

  constructor(source: Source, path: string) {
    this.#source = source;
    this.path = path;
  }

  /** Bytes from the start of the file. */
  get offset(): number {
    return this.#windowOffset + this.#index;
  }

  corrupt(because: string): never {
    fail('HL_MODEL_CORRUPT', { path: this.path, because });
  }

  async bytes(length: number, what: string): Promise<Buffer> {
    if (this.#window.length - this.#index < length) await this.#fill(length, what);
    const bytes = this.#window.subarray(this.#index, this.#index + length);
    this.#index += length;
    return bytes;
  }

  async u32(what: string): Promise<number> {
    return (await this.bytes(4, what)).readUInt32LE(0);
  }

  /** A 64-bit count, length or offset; beyond 2^53 no file can hold it. */
  async u64(what: string): Promise<number> {
    const value = unsigned64(await this.bytes(8, what), 0);
    if (!Number.isSafeInteger(value)) this.corrupt(`${what} is ${value}, larger than any file`);
    return value;
  }

  async string(what: string, bytesMax: number = STRING_BYTES_MAX): Promise<string> {
    const length = await this.u64(`the length of ${what}`);
    this.#checkLength(length, what, bytesMax);
    this.#keptBytesLeft -= length;
    if (this.#keptBytesLeft < 0) this.corrupt(`its strings exceed ${KEPT_BYTES_MAX} bytes`);
    return (await this.bytes(length, what)).toString('utf8');
  }

  async value(type: number, what: string, depth = 0): Promise<GgufValue> {
    if (type === STRING) return await this.string(what);
    if (type === ARRAY) return await this.#array(what, depth);
    const size = SCALAR_BYTES[type];
    if (size === undefined) this.corrupt(`${what} has the unknown value type ${type}`);
    return scalar(await this.bytes(size, what), 0, type);
  }

  async #array(what: string, depth: number): Promise<GgufArray> {
    if (depth >= ARRAY_DEPTH_MAX) this.corrupt(`${what} nests arrays deeper than ${depth}`);
    const type = await this.u32(`the element type of ${what}`);
    const length = await this.u64(`the element count of ${what}`);
    this.#elementsLeft -= length;
    if (this.#elementsLeft < 0) this.corrupt(`${what} brings it to over ${ELEMENTS_MAX} elements`);
    if (type === STRING) {
      await this.#skipStrings(length, what);
      return { length, values: null };
    }
    if (type === ARRAY) {
      for (let i = 0; i < length; i += 1) await this.#array(what, depth + 1);
      return { length, values: null };
    }
    const size = SCALAR_BYTES[type];
    if (size === undefined) this.corrupt(`${what} has the unknown element type ${type}`);
    if (length > ARRAY_KEPT_MAX) {
      this.#skip(length * size, what);
      return { length, values: null };
    }
    const bytes = await this.bytes(length * size, what);
    const values = Array.from({ length }, (_, i) => {
      const value = scalar(bytes, i * size, type);
      return typeof value === 'bigint' ? Number(value) : value;
    });
    return { length, values };
  }

  async #skipStrings(count: number, what: string): Promise<void> {
    let left = count;
    while (left > 0) {
      const whole = skipWholeStrings(this.#window, this.#index, left);
      this.#index = whole.index;
      left -= whole.strings;
      if (left === 0) return;
      const length = await this.u64(`the length of an entry of ${what}`);
      this.#checkLength(length, `an entry of ${what}`, STRING_BYTES_MAX);
      this.#skip(length, what);
      left -= 1;
    }
  }

  #checkLength(length: number, what: string, bytesMax: number): void {
    if (length > bytesMax)
      this.corrupt(`${what} is ${length} bytes long, the limit is ${bytesMax}`);
  }

  #skip(length: number, what: string): void {
    if (this.offset + length > this.#source.size) this.#endsEarly(length, what);
    this.#index += length;
    if (this.#index < this.#window.length) return;
    this.#windowOffset += this.#index;
    this.#window = Buffer.alloc(0);
    this.#index = 0;
  }

  async #fill(length: number, what: string): Promise<void> {
    const { offset } = this;
    if (offset + length > this.#source.size) this.#endsEarly(length, what);
    this.#window = await this.#source.read(offset, Math.max(length, READ_BYTES));
    this.#windowOffset = offset;
    this.#index = 0;
    // The file shrank since its size was taken.
    if (this.#window.length < length) this.#endsEarly(length, what);
  }

  #endsEarly(length: number, what: string): never {
    this.corrupt(
      `the file ends at byte ${this.#source.size}, inside its header: ${what} needs bytes ` +
        `${this.offset} to ${this.offset + length}`,
    );
  }
}

/**
 * Skips up to `count` strings that lie in the window as a whole. A vocabulary has 10^5 of them and
 * this runs before any compilation, so it reads plain bytes; longer than 65,535 stops the loop.
 */
function skipWholeStrings(
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
function unsigned64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
}

function scalar(bytes: Buffer, at: number, type: number): number | bigint | boolean {
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
