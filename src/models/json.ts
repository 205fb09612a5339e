/**
 * Answers: what a model's JSON file says, parsed only after its nesting was found harmless: deep
 * nesting overflows the stack of a parser, and a repeated key says two things at once.
 */
import { readFile, stat } from 'node:fs/promises';

import { fail } from '../base/errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface JsonLimits {
  /** For messages: `its header`. */
  readonly what: string;
  readonly depthMax: number;
  /** Refuse objects that name a key twice. */
  readonly hasUniqueKeys: boolean;
}

/** config.json files nest to 5; tokenizer files have up to 30 MB. */
const FILE_DEPTH_MAX = 64;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** @throws HL_MODEL_CORRUPT when it is no UTF-8, no JSON object, or breaks a limit. */
export function parseJsonObject(bytes: Uint8Array, path: string, limits: JsonLimits): JsonObject {
  const shape = scan(bytes);
  if (shape.depth > limits.depthMax) {
    corrupt(path, `${limits.what} nests ${shape.depth} deep, the limit is ${limits.depthMax}`);
  }
  const value = parse(bytes, path, limits.what);
  if (!isJsonObject(value)) corrupt(path, `${limits.what} is not a JSON object`);
  // Outside strings every colon belongs to one key, so a lost key was there twice.
  if (limits.hasUniqueKeys && countKeys(value) !== shape.colons) {
    corrupt(path, `${limits.what} names a key twice`);
  }
  return value;
}

/** A JSON file of a model folder; `null` when there is none. */
export async function readJsonFile(path: string): Promise<JsonObject | null> {
  const stats = await stat(path).catch(() => null);
  if (stats === null || !stats.isFile()) return null;
  if (stats.size > FILE_BYTES_MAX) corrupt(path, `it has ${stats.size} bytes`);
  const limits = { what: 'it', depthMax: FILE_DEPTH_MAX, hasUniqueKeys: false };
  return parseJsonObject(await readFile(path), path, limits);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function corrupt(path: string, because: string): never {
  fail('HL_MODEL_CORRUPT', { path, because });
}

function parse(bytes: Uint8Array, path: string, what: string): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    const problem = thrown instanceof SyntaxError ? 'JSON' : 'UTF-8';
    return fail(
      'HL_MODEL_CORRUPT',
      { path, because: `${what} is not valid ${problem}` },
      { cause: thrown },
    );
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** Deepest nesting and colons outside strings; says nothing about validity otherwise. */
function scan(bytes: Uint8Array): { readonly depth: number; readonly colons: number } {
  let depth = 0;
  let deepest = 0;
  let colons = 0;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      i += 1;
      while (i < bytes.length && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
    } else if (byte === COLON) {
      colons += 1;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
    }
  }
  return { depth: deepest, colons };
}

/** The depth was bounded before, so that recursion is harmless. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countKeys(item), 0);
  const entries = Object.values(value);
  return entries.reduce<number>((sum, item) => sum + countKeys(item), entries.length);
}
