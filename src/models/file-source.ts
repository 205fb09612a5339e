/**
 * Answers: how header readers see a file: a size and ranged reads. `openFileSource` is the one on
 * disk; tests put bytes in memory behind the same two members.
 */
import { constants, open } from 'node:fs/promises';

import { errnoOf, fail } from '../base/errors.ts';

export interface Source {
  readonly size: number;
  /** Exactly `length` bytes from `offset`, or fewer at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>;
}

export interface FileSource extends Source, AsyncDisposable {
  readonly path: string;
}

/**
 * Opens a regular file for ranged reads.
 * @throws HL_MODEL_NOT_FOUND when it is not there; HL_MODEL_FORMAT_UNSUPPORTED when it is no
 * regular file or may not be read.
 */
export async function openFileSource(path: string): Promise<FileSource> {
  // A named pipe would otherwise wait for a writer for ever.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  const handle = await open(path, flags).catch((thrown: unknown) => refuseUnopened(path, thrown));
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) {
      fail('HL_MODEL_FORMAT_UNSUPPORTED', { path, because: 'it is not a regular file' });
    }
    return {
      path,
      size: stats.size,
      read: async (offset, length) => {
        const buffer = Buffer.allocUnsafe(length);
        const { bytesRead } = await handle.read(buffer, 0, length, offset);
        return buffer.subarray(0, bytesRead);
      },
      [Symbol.asyncDispose]: async () => {
        await handle.close();
      },
    };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

function refuseUnopened(path: string, thrown: unknown): never {
  const code = errnoOf(thrown);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    fail(
      'HL_MODEL_NOT_FOUND',
      { ref: path, nearest: [], hint: `\`${path}\` does not exist` },
      { cause: thrown },
    );
  }
  fail(
    'HL_MODEL_FORMAT_UNSUPPORTED',
    {
      path,
      because: `it cannot be opened (${code ?? String(thrown)})`,
      hint: 'make the file readable for this user, or give another path',
    },
    { cause: thrown },
  );
}
