/**
 * Answers: what a safetensors file holds, from its header alone. Rules and limits are those of the
 * format's own reader: every byte of data belongs to exactly one tensor. Pickle is never read.
 */
import { fail } from '../base/errors.ts';
import type { Source } from './file-source.ts';
import { isJsonObject, parseJsonObject, type JsonObject } from './json.ts';
import { refuseForeignMagic } from './magic.ts';

export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: string;
  /** Slowest dimension first, as stored. */
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** From the start of the file. */
  readonly offset: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly SafetensorsTensor[];
  readonly dataOffset: number;
}

const LENGTH_BYTES = 8;
/** The format's own limit. */
const HEADER_BYTES_MAX = 100_000_000;
/** One file's index, an object of objects with lists. */
const DEPTH_MAX = 3;
const TENSORS_MAX = 1_000_000;
const RANK_MAX = 16;

/** Bits of one element, from the format's own list of types. */
export const DTYPE_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

/**
 * Reads the header of one file. `path` is for messages.
 * @throws HL_MODEL_FORMAT_UNSUPPORTED for what is no safetensors, HL_MODEL_CORRUPT for a damaged
 * one.
 */
export async function readSafetensors(source: Source, path: string): Promise<SafetensorsHeader> {
  const bytes = await readHeaderBytes(source, path);
  const limits = { what: 'its header', depthMax: DEPTH_MAX, hasUniqueKeys: true };
  const json = parseJsonObject(bytes, path, limits);
  const dataOffset = LENGTH_BYTES + bytes.length;
  const names = Object.keys(json).filter((name) => name !== '__metadata__');
  if (names.length > TENSORS_MAX) corrupt(path, `it announces ${names.length} tensors`);
  const tensors = names.map((name) => readTensor(path, { name, entry: json[name], dataOffset }));
  const inOrder = tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkPlaces(path, inOrder, { dataOffset, fileBytes: source.size });
  return { metadata: readMetadata(path, json), tensors: inOrder, dataOffset };
}

function corrupt(path: string, because: string): never {
  fail('HL_MODEL_CORRUPT', { path, because });
}

async function readHeaderBytes(source: Source, path: string): Promise<Buffer> {
  const start = await source.read(0, LENGTH_BYTES + 1);
  if (start.length === 0) corrupt(path, 'it is empty');
  const length = start.length > LENGTH_BYTES ? start.readBigUInt64LE(0) : 0n;
  if (length > BigInt(HEADER_BYTES_MAX) || start[LENGTH_BYTES] !== 0x7b) {
    refuseForeignMagic(path, start, 'a header of at most 100 MB that starts with `{`');
  }
  const headerBytes = Number(length);
  const bytes = await source.read(LENGTH_BYTES, Math.min(headerBytes, source.size));
  if (bytes.length < headerBytes || LENGTH_BYTES + headerBytes > source.size) {
    corrupt(
      path,
      `the file ends at byte ${source.size}, inside its header of ${headerBytes} bytes`,
    );
  }
  return bytes;
}

function readTensor(
  path: string,
  place: { readonly name: string; readonly entry: unknown; readonly dataOffset: number },
): SafetensorsTensor {
  const { name, entry, dataOffset } = place;
  const what = `tensor ${JSON.stringify(name.slice(0, 200))}`;
  if (!isPlainName(name)) corrupt(path, `the name of ${what} is not printable text`);
  if (!isJsonObject(entry)) corrupt(path, `${what} is not described by an object`);
  const { dtype } = entry as { readonly dtype?: unknown };
  const bits =
    typeof dtype === 'string' && Object.hasOwn(DTYPE_BITS, dtype) ? DTYPE_BITS[dtype] : undefined;
  if (typeof dtype !== 'string' || bits === undefined) {
    return corrupt(path, `${what} has the unknown type ${JSON.stringify(dtype)?.slice(0, 40)}`);
  }
  const shape = countsOf(entry['shape']);
  if (shape === null || shape.length > RANK_MAX) corrupt(path, `${what} has no valid shape`);
  const [begin, end, ...more] = countsOf(entry['data_offsets']) ?? [];
  if (begin === undefined || end === undefined || more.length > 0 || begin > end) {
    return corrupt(path, `${what} has no valid \`data_offsets\``);
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  const bytes = (elements * bits) / 8;
  // Beyond 2^53 the product is rounded, and no file is that large.
  if (!Number.isSafeInteger(elements * bits) || end - begin !== bytes) {
    corrupt(
      path,
      `${what} (${dtype}) takes ${bytes} bytes by its shape but ${end - begin} are set aside`,
    );
  }
  return { name, dtype, shape, elements, bytes, offset: dataOffset + begin };
}

function countsOf(value: unknown): readonly number[] | null {
  if (!Array.isArray(value)) return null;
  const counts = value.filter(
    (item): item is number => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0,
  );
  return counts.length === value.length ? counts : null;
}

/** Every byte of data belongs to exactly one tensor, first to last. */
function checkPlaces(
  path: string,
  inOrder: readonly SafetensorsTensor[],
  file: { readonly dataOffset: number; readonly fileBytes: number },
): void {
  let end = file.dataOffset;
  for (const { name, offset, bytes } of inOrder) {
    if (offset !== end) {
      corrupt(
        path,
        `tensor \`${name}\` ${offset < end ? 'overlaps the one' : 'leaves a gap'} before it`,
      );
    }
    end = offset + bytes;
  }
  const outside = inOrder.find((tensor) => tensor.offset + tensor.bytes > file.fileBytes);
  if (outside !== undefined) {
    corrupt(
      path,
      `tensor \`${outside.name}\` ends at byte ${outside.offset + outside.bytes}, but the file ` +
        `has ${file.fileBytes}: ${end - file.fileBytes} bytes are missing`,
    );
  }
  if (end !== file.fileBytes) corrupt(path, `${file.fileBytes - end} bytes follow the last tensor`);
}

function readMetadata(path: string, json: JsonObject): Readonly<Record<string, string>> {
  const metadata = json['__metadata__'];
  if (metadata === undefined || metadata === null) return {};
  if (!isJsonObject(metadata)) corrupt(path, '`__metadata__` is not an object');
  const entries = Object.entries(metadata).map(([key, value]): [string, string] => {
    if (typeof value !== 'string') corrupt(path, '`__metadata__` holds more than text');
    return [key, value];
  });
  return Object.fromEntries(entries);
}

function isPlainName(name: string): boolean {
  return name !== '' && name.length <= 1024 && !/[\p{Cc}\ufffd]/u.test(name);
}
