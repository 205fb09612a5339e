/**
 * Answers: the next number, string or array of a GGUF header, read in large pieces. Every length
 * is checked against a limit and against the file before anything is allocated or skipped.
 */
import { fail } from '../base/errors.ts';
import type { Source } from './file-source.ts';
import {
  ARRAY,
  readScalar,
  readUnsigned64,
  SCALAR_BYTES,
  skipWholeStrings,
  STRING,
  type GgufArray,
  type GgufValue,
} from './gguf-values.ts';

/** One read's size: the demo model's header of 1.7 MiB takes one. */
const READ_BYTES = 2 * 1024 * 1024;
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

/** The fixed part of any value: type and count of an array. */
const VALUE_HEAD_BYTES = 12;

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

  /**
   * Brings the next `length` bytes into the window, fewer at the end of the file. Everything below
   * that is not asynchronous takes bytes that were ensured: one wait for many small fields.
   */
  async ensure(length: number): Promise<void> {
    const { offset } = this;
    const wanted = Math.min(length, this.#source.size - offset);
    if (this.#window.length - this.#index >= wanted) return;
    this.#window = await this.#source.read(offset, Math.max(wanted, READ_BYTES));
    this.#windowOffset = offset;
    this.#index = 0;
  }

  /** Up to `length` ensured bytes, which stay the next ones. */
  peek(length: number): Buffer {
    return this.#window.subarray(this.#index, this.#index + length);
  }

  /** Exactly `length` ensured bytes. */
  take(length: number, what: string): Buffer {
    if (this.#window.length - this.#index < length) this.#endsEarly(length, what);
    const bytes = this.#window.subarray(this.#index, this.#index + length);
    this.#index += length;
    return bytes;
  }

  u32(what: string): number {
    return this.take(4, what).readUInt32LE(0);
  }

  /** A 64-bit count, length or offset; beyond 2^53 no file can hold it. */
  u64(what: string): number {
    const value = readUnsigned64(this.take(8, what), 0);
    if (!Number.isSafeInteger(value)) this.corrupt(`${what} is ${value}, larger than any file`);
    return value;
  }

  /** A short string, ensured as a whole. */
  name(what: string, bytesMax: number): string {
    const length = this.u64(what);
    this.#checkLength(length, what, bytesMax);
    return this.take(length, what).toString('utf8');
  }

  async value(type: number, what: string): Promise<GgufValue> {
    await this.ensure(VALUE_HEAD_BYTES);
    if (type === STRING) return await this.#string(what);
    if (type === ARRAY) return await this.#array(what, 0);
    const size = SCALAR_BYTES[type];
    if (size === undefined) this.corrupt(`${what} has the unknown value type ${type}`);
    return readScalar(this.take(size, what), 0, type);
  }

  async #string(what: string): Promise<string> {
    const length = this.u64(what);
    this.#checkLength(length, what, STRING_BYTES_MAX);
    this.#keptBytesLeft -= length;
    if (this.#keptBytesLeft < 0) this.corrupt(`its strings exceed ${KEPT_BYTES_MAX} bytes`);
    await this.ensure(length);
    return this.take(length, what).toString('utf8');
  }

  async #array(what: string, depth: number): Promise<GgufArray> {
    if (depth >= ARRAY_DEPTH_MAX) this.corrupt(`${what} nests arrays deeper than ${depth}`);
    await this.ensure(VALUE_HEAD_BYTES);
    const type = this.u32(`the element type of ${what}`);
    const length = this.u64(`the element count of ${what}`);
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
    await this.ensure(length * size);
    const bytes = this.take(length * size, what);
    const values = Array.from({ length }, (_, i) => {
      const value = readScalar(bytes, i * size, type);
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
      await this.ensure(8);
      const length = this.u64(`the length of an entry of ${what}`);
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

  #endsEarly(length: number, what: string): never {
    this.corrupt(
      `the file ends at byte ${this.#source.size}, inside its header: ${what} needs bytes ` +
        `${this.offset} to ${this.offset + length}`,
    );
  }
}
