/** Words of a command line: quoting as in a shell, and nothing else of one. */
import { describe, expect, it } from 'vitest';
import { splitWords } from '../../../src/base/words.ts';
import { array, assert, property, string } from '../../support/property.ts';

describe('splitWords', () => {
  it.each([
    ['a b  c', ['a', 'b', 'c']],
    [' a\n\tb ', ['a', 'b']],
    [`'a b' "c d"`, ['a b', 'c d']],
    [`--x='a'"b"c`, ['--x=abc']],
    [`'' ""`, ['', '']],
    [`a\\ b \\"`, ['a b', '"']],
    [`"a\\"b\\\\c\\d"`, ['a"b\\c\\d']],
    [`'\\'`, ['\\']],
    ['$HOME ~ *.gguf | ; `ls` $(ls) #x', ['$HOME', '~', '*.gguf', '|', ';', '`ls`', '$(ls)', '#x']],
    ['', []],
  ])('%j is %j', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  it.each([`'a`, `"a`, 'a\\', `"a\\`])('refuses %j, which does not end', (text) => {
    expect(splitWords(text)).toBeNull();
  });

  it('gives back any words that were quoted', () => {
    const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
    assert(
      property(array(string()), (words) => {
        expect(splitWords(words.map(quoted).join(' '))).toEqual(words);
      }),
    );
  });
});
