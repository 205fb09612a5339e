/**
 * Answers: prompts of a wanted length that no earlier request has begun alike. Common words from a
 * seeded generator: equal seeds give both sides of a pair the same text.
 */

const WORDS =
  'the river runs past an old stone bridge where people meet in summer to sell fruit bread and wool while children play near the water and talk about boats that once went down to the sea with salt iron and letters for towns that nobody here has ever seen'.split(
    ' ',
  );

/** `words` words; with the tokenizers of today's models 1.0–1.2 tokens each. */
export function proseOf(words: number, seed: number): string {
  let state = (seed * 2_654_435_761) >>> 0;
  const text: string[] = [`[${10_000_000 + (seed % 89_999_999)}]`];
  for (let index = 0; index < words; index += 1) {
    // Numerical Recipes' linear congruential generator: enough to shuffle words.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text.push(WORDS[(state >>> 16) % WORDS.length] ?? 'the');
  }
  return text.join(' ');
}
