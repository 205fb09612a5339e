/**
 * Answers: where a streamed answer ends that must not show certain texts, however it is cut into
 * chunks. What may be the beginning of such a text is held back until that is known.
 */

export class StopText {
  readonly #stops: readonly string[];
  /** The end of the text so far that a stop text may begin with. */
  #held = '';
  /** A stop text has come: nothing after it is part of the answer. */
  isStopped = false;

  constructor(stops: readonly string[]) {
    // The empty text stands before every answer and ends none.
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** More text of the engine; returns what is certain to be part of the answer. */
  feed(text: string): string {
    if (this.isStopped) return '';
    const all = this.#held + text;
    const cut = this.#cut(all);
    this.isStopped = cut !== null;
    const certain = cut ?? beginningOf(all, this.#stops);
    this.#held = this.isStopped ? '' : all.slice(certain);
    return all.slice(0, certain);
  }

  /** The engine has ended by itself: what was held back is part of the answer after all. */
  release(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Where the stop text begins that is complete first, the longest of several; `null` = none. */
  #cut(all: string): number | null {
    let [begin, end] = [0, Infinity];
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      if (at === -1 || at + stop.length > end) continue;
      begin = at + stop.length === end ? Math.min(begin, at) : at;
      end = at + stop.length;
    }
    return end === Infinity ? null : begin;
  }
}

/** From where on `all` is the beginning of one of `stops`; its length when it is of none. */
function beginningOf(all: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map(({ length }) => length - 1));
  for (let at = Math.max(0, all.length - longest); at < all.length; at += 1) {
    const end = all.slice(at);
    if (stops.some((stop) => stop.startsWith(end))) return at;
  }
  return all.length;
}
