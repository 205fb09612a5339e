/**
 * Answers: how far installs that run together are, told as one: the earliest phase that one of them
 * is in, and the bytes of those that are in it.
 */
import type { Context } from '../base/context.ts';
import type { InstallEvent } from '../base/installer.ts';

/** In the order an install goes through them. */
const PHASES = ['wait', 'download', 'install', 'prepare'] as const;

interface Part {
  phase: string;
  bytes: number;
  bytesTotal: number | null;
}

export class InstallProgress {
  readonly #progress: ReturnType<Context['output']['progress']>;
  readonly #parts = new Map<string, Part>();
  #shown = '';

  constructor({ output }: Context) {
    this.#progress = output.progress();
  }

  /** For the events of the install of `name`. */
  of(name: string): (event: InstallEvent) => void {
    return (event) => {
      const part = this.#parts.get(name) ?? { phase: PHASES[0], bytes: 0, bytesTotal: null };
      if (event.event === 'installed' || event.event === 'failed') this.#parts.delete(name);
      else this.#parts.set(name, part);
      if (event.event === 'phase')
        [part.phase, part.bytes, part.bytesTotal] = [event.name, 0, null];
      if (event.event === 'progress')
        [part.bytes, part.bytesTotal] = [event.bytes, event.bytesTotal];
      this.#draw();
    };
  }

  stop(): void {
    this.#progress.stop();
  }

  #draw(): void {
    const phase = PHASES.find((name) => [...this.#parts.values()].some((p) => p.phase === name));
    if (phase === undefined) return;
    const parts = [...this.#parts].filter(([, part]) => part.phase === phase);
    const names = parts.map(([name]) => name).join(' and ');
    const words = phase === 'wait' ? `for another install of ${names}` : names;
    if (this.#shown !== `${phase} ${words}`) this.#progress.phase(phase, words);
    this.#shown = `${phase} ${words}`;
    const known = parts.flatMap(([, { bytes, bytesTotal }]) =>
      bytesTotal === null ? [] : [{ bytes, bytesTotal }],
    );
    if (known.length === 0) return;
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    this.#progress.bytes(
      sum(known.map(({ bytes }) => bytes)),
      sum(known.map(({ bytesTotal }) => bytesTotal)),
    );
  }
}
