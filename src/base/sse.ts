/**
 * Answers: where a server-sent event ends. Bytes in, the text of each event's `data` out, at any
 * split: inside a character, a line or a CRLF. Bounded: one event may not fill the memory.
 */

/** The largest event seen from a real engine is a few hundred KiB (log-probabilities). */
const EVENT_BYTES_MAX = 16 * 1024 * 1024;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class SseReader {
  readonly #onData: (data: string) => void;
  #rest: Buffer = Buffer.alloc(0);
  #data: string[] = [];
  #dataBytes = 0;

  constructor(onData: (data: string) => void) {
    this.#onData = onData;
  }

  /** @throws RangeError when one event exceeds 16 MiB */
  feed(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(LINE_FEED, start);
      if (end === -1) break;
      const lineEnd = end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
      this.#line(bytes.toString('utf8', start, lineEnd));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length + this.#dataBytes > EVENT_BYTES_MAX) {
      throw new RangeError(`an event is larger than ${EVENT_BYTES_MAX} bytes`);
    }
  }

  /** A last event without its blank line, as some engines leave it. */
  end(): void {
    if (this.#rest.length > 0) this.#line(this.#rest.toString('utf8'));
    this.#rest = Buffer.alloc(0);
    this.#line('');
  }

  #line(line: string): void {
    if (line === '') {
      if (this.#data.length === 0) return;
      const data = this.#data.join('\n');
      this.#data = [];
      this.#dataBytes = 0;
      this.#onData(data);
    } else if (line.startsWith('data:')) {
      const data = line.slice(line[5] === ' ' ? 6 : 5);
      this.#data.push(data);
      this.#dataBytes += data.length;
    }
    // Comments (`: keepalive`), `event:`, `id:` and `retry:` carry nothing we use.
  }
}
