/** Where an answer is cut, whatever the chunks it came in. */
import { describe, expect, it } from 'vitest';
import { StopText } from '../../../src/generate/stop-text.ts';
import { array, assert, constantFrom, property, string } from '../../support/property.ts';

interface Cut {
  readonly text: string;
  readonly isStopped: boolean;
}

function inChunks(chunks: readonly string[], stops: readonly string[]): Cut {
  const stopText = new StopText(stops);
  const text = chunks.map((chunk) => stopText.feed(chunk)).join('') + stopText.release();
  return { text, isStopped: stopText.isStopped };
}

/** The meaning, letter by letter: the answer ends where the first stop text is complete. */
function cutWhole(text: string, stops: readonly string[]): Cut {
  for (let end = 1; end <= text.length; end += 1) {
    const said = text.slice(0, end);
    const found = stops.filter((stop) => stop !== '' && said.endsWith(stop));
    const longest = Math.max(0, ...found.map(({ length }) => length));
    if (longest > 0) return { text: said.slice(0, end - longest), isStopped: true };
  }
  return { text, isStopped: false };
}

/** Few letters: stop texts come up, overlap, and begin without being completed. */
const letters = (lengthMax: number): ReturnType<typeof string> =>
  string({ unit: constantFrom('a', 'b', ' '), maxLength: lengthMax });

describe('a stop text', () => {
  it('cuts every text in the same place, whatever the chunks', () => {
    const chunks = array(letters(5), { maxLength: 12 });
    const stops = array(letters(4), { minLength: 1, maxLength: 3 });
    assert(
      property(chunks, stops, (parts, texts) => {
        expect(inChunks(parts, texts)).toEqual(cutWhole(parts.join(''), texts));
      }),
      { numRuns: 2000 },
    );
  });

  it('is found across chunks, and nothing of it is said before', () => {
    const stopText = new StopText(['Tokyo']);
    expect([' is T', 'ok', 'yo. It', ' is'].map((chunk) => stopText.feed(chunk))).toEqual([
      ' is ',
      '',
      '',
      '',
    ]);
    expect([stopText.isStopped, stopText.release()]).toEqual([true, '']);
  });

  it('that only begins is said as soon as it cannot be one, or at the end', () => {
    const stopText = new StopText(['Tokyo']);
    expect(stopText.feed('To')).toBe('');
    expect(stopText.feed('day To')).toBe('Today ');
    expect([stopText.release(), stopText.release()]).toEqual(['To', '']);
  });

  it('holds nothing back that cannot be its beginning', () => {
    const stopText = new StopText(['\n\n', '###']);
    expect(stopText.feed('one\ntwo # three')).toBe('one\ntwo # three');
  });

  it('that is empty ends nothing', () => {
    expect(inChunks(['a', 'b'], [''])).toEqual({ text: 'ab', isStopped: false });
  });
});
