/**
 * Answers: what an engine has said to one request so far, with the time of its first and last word;
 * cut before a stop text where the engine leaves that to us.
 */
import { SseReader } from '../base/sse.ts';
import { readParts, type FinishReason, type Part, type Usage } from '../engines/parts.ts';
import { StopText } from './stop-text.ts';

export class Answer {
  text = '';
  reasoning = '';
  finishReason: FinishReason | null = null;
  usage: Usage | null = null;
  problem: string | null = null;
  textEvents = 0;
  firstAtMs: number | null = null;
  lastAtMs: number | null = null;
  #atMs = 0;
  readonly #reader: SseReader;
  readonly #onPart: (part: Part) => void;
  readonly #stopText: StopText | null;
  readonly #stopped = new AbortController();

  /** `stops`: texts to end before that the engine does not know of. */
  constructor(stops: readonly string[], onPart: (part: Part) => void) {
    this.#onPart = onPart;
    this.#reader = new SseReader((data) => this.#event(data));
    this.#stopText = stops.length === 0 ? null : new StopText(stops);
  }

  /** Aborted at a stop text: the engine need not go on. `null` = there is none to look for. */
  get stopped(): AbortSignal | null {
    return this.#stopText === null ? null : this.#stopped.signal;
  }

  get isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  feed(chunk: Buffer, atMs: number): void {
    this.#atMs = atMs;
    this.#reader.feed(chunk);
  }

  end(atMs: number): void {
    this.#atMs = atMs;
    this.#reader.end();
    this.release();
  }

  /** No more will come: what may have been the beginning of a stop text was none. */
  release(): void {
    this.#say(this.#stopText?.release() ?? '');
  }

  #event(data: string): void {
    for (const part of readParts(data)) {
      // What came in one piece with the stop text.
      if (this.isStopped) return;
      if (part.kind === 'finish') this.release();
      this.#take(part);
      if (part.kind !== 'text') this.#onPart(part);
    }
  }

  #take(part: Part): void {
    switch (part.kind) {
      case 'text':
        this.#stamp();
        return this.#hear(part.text);
      case 'reasoning':
        this.#stamp();
        this.reasoning += part.text;
        return;
      case 'finish':
        this.finishReason = part.reason;
        return;
      case 'usage':
        this.usage = part.usage;
        return;
      case 'error':
        this.problem ??= part.message;
        return;
      case 'prefill':
      case 'done':
        return;
    }
  }

  /** Times are those of arrival, also for text that is held back for a moment. */
  #stamp(): void {
    this.textEvents += 1;
    this.firstAtMs ??= this.#atMs;
    this.lastAtMs = this.#atMs;
  }

  #hear(text: string): void {
    if (this.#stopText === null) return this.#say(text);
    this.#say(this.#stopText.feed(text));
    if (!this.#stopText.isStopped) return;
    this.finishReason = 'stop';
    this.#onPart({ kind: 'finish', reason: 'stop' });
    this.#stopped.abort();
  }

  #say(text: string): void {
    if (text === '') return;
    this.text += text;
    this.#onPart({ kind: 'text', text });
  }
}
