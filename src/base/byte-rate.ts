/**
 * Answers: how fast bytes come just now, and how long the rest will take: over the last seconds, so
 * that a stall shows as one and a fast beginning is soon forgotten.
 */
import { formatBytes } from './units.ts';

/** Long enough to even out a download that comes in bursts. */
const WINDOW_MS = 10_000;
/** Before that a rate is chance. */
const SPAN_MS_MIN = 1_000;

export class ByteRate {
  #samples: { readonly bytes: number; readonly atMs: number }[] = [];

  /** `bytes` have come by `atMs` (monotonic); fewer than before is the start of something else. */
  note(bytes: number, atMs: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && bytes < last.bytes) this.#samples = [];
    this.#samples = [...this.#samples, { bytes, atMs }].filter(
      (sample) => atMs - sample.atMs <= WINDOW_MS,
    );
  }

  /** `null` until it can be told. */
  get bytesPerSecond(): number | null {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return null;
    const spanMs = last.atMs - first.atMs;
    return spanMs < SPAN_MS_MIN ? null : ((last.bytes - first.bytes) * 1000) / spanMs;
  }
}

/** `47 MiB of 89 MiB, 5 MiB/s, 9 s left`, as far as it is known. */
export function formatTransfer(
  bytes: number,
  bytesTotal: number | null,
  bytesPerSecond: number | null,
): string {
  const total = bytesTotal === null ? '' : ` of ${formatBytes(bytesTotal)}`;
  const parts = [`${formatBytes(bytes)}${total}`];
  if (bytesPerSecond !== null) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (bytesTotal !== null && bytesPerSecond !== null && bytesPerSecond > 0 && bytes < bytesTotal) {
    parts.push(`${formatRest((bytesTotal - bytes) / bytesPerSecond)} left`);
  }
  return parts.join(', ');
}

/** Whole units: the rest is an estimate. */
function formatRest(seconds: number): string {
  if (seconds < 59.5) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
