/** Where an event ends, at any split of the bytes. */
import * as fc from '../../support/property.ts';
import { describe, expect, it } from 'vitest';
import { SseReader } from '../../../src/base/sse.ts';

function read(chunks: readonly (string | Buffer)[]): readonly string[] {
  const events: string[] = [];
  const reader = new SseReader((data) => events.push(data));
  for (const chunk of chunks) reader.feed(Buffer.from(chunk));
  reader.end();
  return events;
}

/** `bytes` cut at the given places, in any order, outside ones ignored. */
function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const inside = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...inside].map((from, at) => bytes.subarray(from, inside[at] ?? bytes.length));
}

describe('SseReader', () => {
  it('joins the data lines of one event, and skips what is not data', () => {
    const text = ': keepalive\n\nevent: x\nid: 7\ndata: a\ndata:b\nretry: 5\n\ndata: c\n\n';
    expect(read([text])).toEqual(['a\nb', 'c']);
  });

  it('takes off one space after the colon, not two', () => {
    expect(read(['data:  a\n\n', 'data:a\n\n'])).toEqual([' a', 'a']);
  });

  it('gives a last event that lacks its blank line, once', () => {
    const events: string[] = [];
    const reader = new SseReader((data) => events.push(data));
    reader.feed(Buffer.from('data: a\n\ndata: [DONE]'));
    reader.end();
    reader.end();
    expect(events).toEqual(['a', '[DONE]']);
  });

  it('says nothing for blank lines alone, and something for an empty data line', () => {
    expect(read(['\n\n\r\n\n'])).toEqual([]);
    expect(read(['data:\n\n'])).toEqual(['']);
  });

  it('refuses an event beyond 16 MiB, in one line or in many', () => {
    const mebibyte = 'x'.repeat(1024 * 1024);
    expect(() => read(Array.from({ length: 17 }, () => mebibyte))).toThrow(RangeError);
    expect(() => read(Array.from({ length: 17 }, () => `data: ${mebibyte}\n`))).toThrow(RangeError);
    expect(read(Array.from({ length: 17 }, () => `data: ${mebibyte}\n\n`))).toHaveLength(17);
  });

  it('reads the same events at every split: inside a character, a line or a CRLF', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) =>
      // A line ends at CR or LF; the text of one holds neither.
      text.replaceAll(/[\r\n]/g, '·'),
    );
    const event = fc.record({
      lines: fc.array(line, { minLength: 1, maxLength: 3 }),
      newline: fc.constantFrom('\n', '\r\n'),
      comment: fc.boolean(),
    });
    const stream = fc.array(event, { maxLength: 6 });
    fc.assert(
      fc.property(stream, fc.array(fc.nat({ max: 500 }), { maxLength: 30 }), (events, places) => {
        const text = events
          .map(({ lines, newline, comment }) =>
            [
              ...(comment ? [': still here'] : []),
              ...lines.map((data) => `data: ${data}`),
              '',
              '',
            ].join(newline),
          )
          .join('');
        const wanted = events.map(({ lines }) => lines.join('\n'));
        expect(read(cut(Buffer.from(text), places))).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });

  it('reads a stream of multi-byte text one byte at a time', () => {
    const bytes = Buffer.from('data: {"text":"日本 é 🗼"}\r\n\r\ndata: [DONE]\r\n\r\n');
    expect(read([...bytes].map((byte) => Buffer.from([byte])))).toEqual([
      '{"text":"日本 é 🗼"}',
      '[DONE]',
    ]);
  });
});
