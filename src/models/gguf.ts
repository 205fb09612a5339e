/**
 * Answers: what a GGUF file holds, from its header alone: metadata and the index of its tensors.
 * Refuses every header that breaks a rule of the format; reads no tensor data.
 */
import { fail } from '../base/errors.ts';
import type { Source } from './file-source.ts';
import { GgufCursor } from './gguf-cursor.ts';
import type { GgufValue } from './gguf-values.ts';
import { GGML_TYPES } from './ggml-types.ts';
import { refuseForeignMagic } from './magic.ts';

export interface GgufTensor {
  readonly name: string;
  /** Fastest dimension first, as stored: 1 to 4 of them. */
  readonly dimensions: readonly number[];
  readonly type: string;
  readonly elements: number;
  readonly bytes: number;
  /** From the start of the file. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
  readonly alignment: number;
  /** Where tensor data begins. */
  readonly dataOffset: number;
}

const GGUF_START = '47 47 55 46 ("GGUF")';
/** The largest real models have some thousand tensors and some hundred keys. */
const TENSORS_MAX = 100_000;
const KEYS_MAX = 10_000;
/** The format's own limit is 2^16 − 1 bytes for keys and 64 for names; forks write longer names. */
const KEY_BYTES_MAX = 65_535;
const NAME_BYTES_MAX = 128;
const DIMENSIONS_MAX = 4;
/** Name, rank, dimensions, type and offset with their lengths, at their longest. */
const TENSOR_BYTES_MAX = 8 + NAME_BYTES_MAX + 4 + 8 * DIMENSIONS_MAX + 4 + 8;
/** Magic, version and the two counts. */
const HEAD_BYTES = 24;
const ALIGNMENT_DEFAULT = 32;
const ALIGNMENT_MAX = 1024 * 1024;

/**
 * Reads the header of one GGUF file (versions 2 and 3, little endian). `path` is for messages.
 * @throws HL_MODEL_FORMAT_UNSUPPORTED for what is no such GGUF, HL_MODEL_CORRUPT for a damaged one.
 */
export async function readGguf(source: Source, path: string): Promise<GgufHeader> {
  const cursor = new GgufCursor(source, path);
  await cursor.ensure(HEAD_BYTES);
  const version = readVersion(cursor);
  const tensorCount = cursor.u64('the tensor count');
  const keyCount = cursor.u64('the key count');
  if (tensorCount > TENSORS_MAX) cursor.corrupt(`it announces ${tensorCount} tensors`);
  if (keyCount > KEYS_MAX) cursor.corrupt(`it announces ${keyCount} metadata keys`);
  const metadata = await readMetadata(cursor, keyCount);
  const alignment = alignmentOf(cursor, metadata);
  const tensors = await readTensors(cursor, tensorCount, alignment);
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment;
  const placed = tensors.map((tensor) => ({ ...tensor, offset: tensor.offset + dataOffset }));
  checkPlaces(cursor, placed, source.size);
  return { version, metadata, tensors: placed, alignment, dataOffset };
}

function readVersion(cursor: GgufCursor): number {
  const start = cursor.peek(8);
  if (start.toString('latin1', 0, 4) !== 'GGUF') {
    refuseForeignMagic(cursor.path, start, GGUF_START);
  }
  cursor.take(4, 'the magic');
  const version = cursor.u32('the version');
  return version === 2 || version === 3 ? version : refuseVersion(cursor.path, version);
}

function refuseVersion(path: string, version: number): never {
  const isBigEndian = version !== 0 && version % 65_536 === 0;
  const because =
    version === 1
      ? 'it is GGUF version 1, which engines no longer read'
      : isBigEndian
        ? 'it is a big-endian GGUF, made for other machines'
        : `it is GGUF version ${version}, and this version of HyperLlama reads 2 and 3`;
  const wanted = isBigEndian ? 'the little-endian file' : 'another conversion';
  fail('HL_MODEL_FORMAT_UNSUPPORTED', { path, because, hint: `fetch ${wanted} of the model` });
}

async function readMetadata(cursor: GgufCursor, count: number): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i += 1) {
    await cursor.ensure(8 + KEY_BYTES_MAX + 4);
    const key = cursor.name(`metadata key ${i}`, KEY_BYTES_MAX);
    if (!isPlainName(key)) cursor.corrupt(`metadata key ${i} is not printable text`);
    if (metadata.has(key)) cursor.corrupt(`the metadata key \`${key}\` is there twice`);
    const type = cursor.u32(`the type of \`${key}\``);
    metadata.set(key, await cursor.value(type, `\`${key}\``));
  }
  return metadata;
}

function alignmentOf(cursor: GgufCursor, metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? ALIGNMENT_DEFAULT;
  const isUsable =
    typeof alignment === 'number' &&
    alignment >= 1 &&
    alignment <= ALIGNMENT_MAX &&
    Number.isInteger(Math.log2(alignment));
  if (!isUsable) cursor.corrupt('`general.alignment` is not a power of two up to 1 MiB');
  return alignment;
}

/** The index; offsets are still counted from the start of the data. */
async function readTensors(
  cursor: GgufCursor,
  count: number,
  alignment: number,
): Promise<GgufTensor[]> {
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i += 1) {
    await cursor.ensure(TENSOR_BYTES_MAX);
    const name = cursor.name(`the name of tensor ${i}`, NAME_BYTES_MAX);
    if (!isPlainName(name)) cursor.corrupt(`the name of tensor ${i} is not printable text`);
    if (names.has(name)) cursor.corrupt(`the tensor \`${name}\` is there twice`);
    names.add(name);
    tensors.push(readTensor(cursor, name, alignment));
  }
  return tensors;
}

function readTensor(cursor: GgufCursor, name: string, alignment: number): GgufTensor {
  const what = `tensor \`${name}\``;
  const rank = cursor.u32(`the rank of ${what}`);
  if (rank < 1 || rank > DIMENSIONS_MAX) cursor.corrupt(`${what} has ${rank} dimensions`);
  const dimensions: number[] = [];
  for (let i = 0; i < rank; i += 1) dimensions.push(cursor.u64(`a dimension of ${what}`));
  const typeId = cursor.u32(`the type of ${what}`);
  const offset = cursor.u64(`the offset of ${what}`);
  const type = GGML_TYPES.get(typeId);
  if (type === undefined) {
    fail('HL_MODEL_FORMAT_UNSUPPORTED', {
      path: cursor.path,
      because: `${what} has the type ${typeId}, which this version of HyperLlama does not know`,
    });
  }
  const elements = dimensions.reduce((product, size) => product * size, 1);
  if (elements === 0) cursor.corrupt(`${what} has a dimension of 0`);
  if (!Number.isSafeInteger(elements)) cursor.corrupt(`${what} has more elements than any file`);
  if ((dimensions[0] ?? 0) % type.blockElements !== 0) {
    cursor.corrupt(`${what} has rows of ${dimensions[0]}, no multiple of ${type.blockElements}`);
  }
  const bytes = (elements / type.blockElements) * type.blockBytes;
  if (!Number.isSafeInteger(bytes)) cursor.corrupt(`${what} has more bytes than any file`);
  if (offset % alignment !== 0) cursor.corrupt(`${what} is not aligned to ${alignment} bytes`);
  return { name, dimensions, type: type.name, elements, bytes, offset };
}

/** Every tensor lies inside the file and on no other tensor. */
function checkPlaces(cursor: GgufCursor, tensors: readonly GgufTensor[], fileBytes: number): void {
  const inOrder = tensors.toSorted((a, b) => a.offset - b.offset);
  const last = inOrder.at(-1);
  const outside = inOrder.find((tensor) => !(tensor.offset + tensor.bytes <= fileBytes));
  if (last !== undefined && outside !== undefined) {
    const end = Math.max(outside.offset + outside.bytes, last.offset + last.bytes);
    cursor.corrupt(
      `tensor \`${outside.name}\` ends at byte ${outside.offset + outside.bytes}, but the file ` +
        `has ${fileBytes}: ${end - fileBytes} bytes are missing`,
    );
  }
  inOrder.forEach((tensor, i) => {
    const before = inOrder[i - 1];
    if (before !== undefined && before.offset + before.bytes > tensor.offset) {
      cursor.corrupt(`tensors \`${before.name}\` and \`${tensor.name}\` overlap`);
    }
  });
}

/** Names are printed and compared: no control character, no broken UTF-8, not empty. */
function isPlainName(name: string): boolean {
  return name !== '' && !/[\p{Cc}\ufffd]/u.test(name);
}
