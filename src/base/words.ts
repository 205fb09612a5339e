/** Answers: which words a command line has, by a shell's rules of quoting and none of its others. */

/**
 * Blanks part words. `'…'` keeps everything, `"…"` everything but `\"` and `\\`, and outside of
 * quotes a backslash keeps the next character. Nothing is expanded: no variable, glob, pipe or `~`.
 * `null` = a quote is not closed, or a backslash ends the text.
 */
export function splitWords(text: string): readonly string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    const next = text.charAt(at + 1);
    const isEscape =
      character === '\\' && (quote === null || (quote === '"' && /["\\]/.test(next)));
    if (isEscape) {
      if (next === '') return null;
      word = (word ?? '') + next;
      at += 1;
    } else if (character === quote) {
      quote = null;
    } else if (quote === null && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (quote === null && /\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== null) return null;
  return word === null ? words : [...words, word];
}
