/**
 * Answers: what a GGUF model on disk holds, all parts of a split one (`…-00001-of-00003.gguf`)
 * together.
 */
import { basename, dirname, join } from 'node:path';

import { fail } from '../base/errors.ts';
import { openFileSource } from './file-source.ts';
import { readGguf, type GgufHeader, type GgufTensor } from './gguf.ts';
import type { GgufValue } from './gguf-values.ts';

export interface GgufFile {
  /** Of the first part: what engines are given. */
  readonly path: string;
  /** Of all parts. */
  readonly bytesOnDisk: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

/** The largest splits seen have some hundred parts. */
const PARTS_MAX = 1000;
const SPLIT_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;

/** The paths of all parts, first to last; of a file that is not split just itself. */
export function ggufParts(path: string): readonly string[] {
  const match = SPLIT_NAME.exec(basename(path));
  const [, stem, , countText] = match ?? [];
  if (stem === undefined || countText === undefined) return [path];
  const count = Number(countText);
  if (count < 1 || count > PARTS_MAX) return [path];
  return Array.from({ length: count }, (_, i) =>
    join(dirname(path), `${stem}-${String(i + 1).padStart(5, '0')}-of-${countText}.gguf`),
  );
}

/** @throws HL_MODEL_CORRUPT also when a part is missing or belongs to another split. */
export async function readGgufFile(path: string): Promise<GgufFile> {
  const paths = ggufParts(path);
  const [firstPath = path] = paths;
  const headers: GgufHeader[] = [];
  let bytesOnDisk = 0;
  for (const [i, part] of paths.entries()) {
    const { header, size } = await readPart(part, { number: i + 1, of: paths.length });
    headers.push(header);
    bytesOnDisk += size;
  }
  const [first] = headers;
  if (first === undefined) fail('HL_MODEL_CORRUPT', { path, because: 'it has no parts' });
  checkSplit(paths, headers);
  const tensors = headers.flatMap((header) => header.tensors);
  checkWhole(firstPath, first, tensors);
  return { path: firstPath, bytesOnDisk, metadata: first.metadata, tensors };
}

async function readPart(
  path: string,
  place: { readonly number: number; readonly of: number },
): Promise<{ readonly header: GgufHeader; readonly size: number }> {
  await using source = await openPart(path, place);
  return { header: await readGguf(source, path), size: source.size };
}

async function openPart(
  path: string,
  place: { readonly number: number; readonly of: number },
): Promise<Awaited<ReturnType<typeof openFileSource>>> {
  try {
    return await openFileSource(path);
  } catch (thrown) {
    if (place.of === 1) throw thrown;
    return fail(
      'HL_MODEL_CORRUPT',
      {
        path,
        because: `part ${place.number} of ${place.of} is missing or cannot be read`,
        hint: 'put all parts of the model into one folder',
      },
      { cause: thrown },
    );
  }
}

function checkSplit(paths: readonly string[], headers: readonly GgufHeader[]): void {
  headers.forEach((header, i) => {
    const path = paths[i] ?? '';
    const count = header.metadata.get('split.count') ?? 1;
    const number = header.metadata.get('split.no') ?? 0;
    // A first part that was renamed: the other parts cannot be found.
    if (typeof count !== 'number' || (count > 1 && paths.length === 1)) {
      fail('HL_MODEL_CORRUPT', {
        path,
        because: 'it is one part of several, but its name does not say which',
        hint: 'give the parts their published names (`NAME-00001-of-00003.gguf`)',
      });
    }
    if (paths.length > 1 && (count !== paths.length || number !== i)) {
      fail('HL_MODEL_CORRUPT', {
        path,
        because: `by its name it is part ${i + 1} of ${paths.length}, by its header another one`,
      });
    }
  });
}

function checkWhole(path: string, first: GgufHeader, tensors: readonly GgufTensor[]): void {
  const expected = first.metadata.get('split.tensors.count');
  if (typeof expected === 'number' && expected !== tensors.length) {
    fail('HL_MODEL_CORRUPT', {
      path,
      because: `its parts hold ${tensors.length} tensors together, ${expected} were announced`,
    });
  }
  if (new Set(tensors.map((tensor) => tensor.name)).size !== tensors.length) {
    fail('HL_MODEL_CORRUPT', { path, because: 'two of its parts hold the same tensor' });
  }
}
