/**
 * Answers: the WebAssembly module that reads memory as fast as one core can. It is put together
 * here instruction by instruction, so that no opaque bytes are shipped and no compiler is needed.
 * Encoding: WebAssembly core specification 2.0, chapter 5; shared memory from the threads proposal.
 */

export const WASM_PAGE_BYTES = 65_536;

export interface KernelExports {
  /** Reads `[start, end)`; a multiple of `BLOCK_BYTES`. The result only keeps the reads alive. */
  readonly read: (start: number, end: number) => number;
  /** `a[i] = b[i] + 3 · c[i]` over `bytes` each: two reads and a write. */
  readonly triad: (a: number, b: number, c: number, bytes: number) => void;
}

/** Bytes of one turn of the loop: eight 16-byte registers, so that eight loads are under way. */
export const BLOCK_BYTES = 128;

const VECTOR_BYTES = 16;
const ACCUMULATORS = BLOCK_BYTES / VECTOR_BYTES;

/** `\0asm`, version 1. */
const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

type Code = readonly number[];

const TYPE = { i32: 0x7f, v128: 0x7b, function: 0x60, none: 0x40 } as const;

/** The memory is imported, so that all threads read one. */
export function assembleKernel(pages: number): Uint8Array<ArrayBuffer> {
  const i32 = (count: number): Code => Array.from({ length: count }, () => TYPE.i32);
  const types = [
    [TYPE.function, ...vector(i32(2)), ...vector([TYPE.i32])],
    [TYPE.function, ...vector(i32(4)), ...vector([])],
  ];
  // Kind 2 is a memory; limits 3 mean "shared, with a maximum".
  const memory = [...name('env'), ...name('memory'), 0x02, 0x03, ...leb(pages), ...leb(pages)];
  const exports = [
    [...name('read'), 0x00, 0],
    [...name('triad'), 0x00, 1],
  ];
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(1, list(types)),
    ...section(2, list([memory])),
    ...section(3, list([[0], [1]])),
    ...section(7, list(exports)),
    ...section(10, list([body(readCode(), ACCUMULATORS), body(triadCode(), 1)])),
  ]);
}

/** Parameters 0 = position, 1 = end; locals 2 … 9 = accumulators. */
function readCode(): Code {
  const accumulators = Array.from({ length: ACCUMULATORS }, (_, index) => index + 2);
  const loads = accumulators.flatMap((local, index) => [
    ...get(0),
    ...simd(0x00, 4, index * VECTOR_BYTES), // v128.load, aligned to 2⁴ bytes
    ...get(local),
    ...simd(0x51), // v128.xor
    ...set(local),
  ]);
  const sum = accumulators.flatMap((local, index) =>
    index === 0 ? get(local) : [...get(local), ...simd(0x51)],
  );
  return [
    ...loop([...loads, ...advance(0, BLOCK_BYTES), ...get(0), ...get(1), 0x49]), // i32.lt_u
    ...sum,
    ...simd(0x1b, 0), // i32x4.extract_lane 0
  ];
}

/** Parameters 0, 1, 2 = positions in a, b, c; 3 = bytes left; local 4 = the factor. */
function triadCode(): Code {
  const steps = Array.from({ length: ACCUMULATORS }, (_, index) => index * VECTOR_BYTES);
  const stores = steps.flatMap((offset) => [
    ...get(0),
    ...get(1),
    ...simd(0x00, 4, offset), // v128.load b
    ...get(2),
    ...simd(0x00, 4, offset), // v128.load c
    ...get(4),
    ...simd(0xf2), // f64x2.mul
    ...simd(0xf0), // f64x2.add
    ...simd(0x0b, 4, offset), // v128.store a
  ]);
  const three = [...new Uint8Array(Float64Array.of(3).buffer)];
  return [
    0x44, // f64.const 3
    ...three,
    ...simd(0x14), // f64x2.splat
    ...set(4),
    ...loop([
      ...stores,
      ...advance(0, BLOCK_BYTES),
      ...advance(1, BLOCK_BYTES),
      ...advance(2, BLOCK_BYTES),
      ...advance(3, -BLOCK_BYTES),
      ...get(3),
    ]),
  ];
}

/** Repeats while the last value of `code` is not zero. */
function loop(code: Code): Code {
  return [0x03, TYPE.none, ...code, 0x0d, 0, 0x0b]; // loop … br_if 0, end
}

function get(local: number): Code {
  return [0x20, local];
}

function set(local: number): Code {
  return [0x21, local];
}

function advance(local: number, bytes: number): Code {
  return [...get(local), 0x41, ...signedLeb(bytes), 0x6a, ...set(local)]; // i32.const, i32.add
}

/** Vector instructions are a prefix, a number and their operands. */
function simd(instruction: number, ...operands: readonly number[]): Code {
  return [0xfd, ...leb(instruction), ...operands.flatMap(leb)];
}

function body(code: Code, vectors: number): Code {
  const content = [...leb(1), ...leb(vectors), TYPE.v128, ...code, 0x0b];
  return vector(content);
}

function section(id: number, content: Code): Code {
  return [id, ...vector(content)];
}

function list(items: readonly Code[]): Code {
  return [...leb(items.length), ...items.flat()];
}

/** Length first, then the bytes. */
function vector(content: Code): Code {
  return [...leb(content.length), ...content];
}

function name(text: string): Code {
  return vector([...Buffer.from(text)]);
}

/** Seven bits a byte, lowest first, the eighth bit says that more follow. */
function leb(number: number): Code {
  return number < 0x80 ? [number] : [(number & 0x7f) | 0x80, ...leb(number >>> 7)];
}

function signedLeb(number: number): Code {
  const low = number & 0x7f;
  const rest = number >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signedLeb(rest)];
}
