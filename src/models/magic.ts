/**
 * Answers: what a file that is not the expected format seems to be, from its first bytes, so that
 * the refusal names it. Pickle is recognised in order to be refused; it is never read.
 */
import { fail } from '../base/errors.ts';

/** `47 47 55 46 …`, at most eight bytes. */
function hexDump(bytes: Buffer): string {
  return [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/**
 * Always throws. `expected` says with what the file should begin.
 * @throws HL_MODEL_FORMAT_UNSUPPORTED naming the likely format, or HL_MODEL_CORRUPT for zeros.
 */
export function refuseForeignMagic(path: string, start: Buffer, expected: string): never {
  if (start.length === 0) fail('HL_MODEL_CORRUPT', { path, because: 'it is empty' });
  if (start.every((byte) => byte === 0)) {
    fail('HL_MODEL_CORRUPT', {
      path,
      because: 'it begins with zeros, as a file does whose download was cut off',
    });
  }
  fail('HL_MODEL_FORMAT_UNSUPPORTED', { path, because: describeMagic(start, expected) });
}

function describeMagic(start: Buffer, expected: string): string {
  const text = start.toString('latin1');
  const first = `it begins with ${hexDump(start)}`;
  if (['lmgg', 'fmgg', 'tjgg', 'GGML', 'GGMF', 'GGJT'].includes(text.slice(0, 4))) {
    return `${first}: a GGML file from before GGUF, which engines no longer read`;
  }
  if (text.startsWith('PK')) {
    return `${first}: a zip archive, probably a PyTorch checkpoint, and pickle is never read`;
  }
  if (start[0] === 0x80) return `${first}: a Python pickle, which is never read`;
  if (text.startsWith('\u0089HDF')) return `${first}: an HDF5 file`;
  if (text.startsWith('version ')) {
    return `${first}: a Git LFS pointer; the file itself was not fetched (\`git lfs pull\`)`;
  }
  if (text.trimStart().startsWith('<')) return `${first}: a web page, not a model`;
  if (text.startsWith('GGUF')) return `${first}: a GGUF file; give it the ending .gguf`;
  return `${first}, not with ${expected}`;
}
