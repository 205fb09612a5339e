/**
 * Answers: how quantities are written for people. Values stay plain numbers with the unit in their
 * name (`bytesTotal`, `latencyMs`); only the edge of the program turns them into text.
 */

export const KIB = 1024;
export const MIB: number = 1024 ** 2;
export const GIB: number = 1024 ** 3;

/** `bytes` as `512 B`, `94 MiB` or `3.1 GiB`: MiB without, GiB with one decimal. */
export function formatBytes(bytes: number): string {
  const size = Math.abs(bytes);
  if (size >= GIB) return `${(bytes / GIB).toFixed(1)} GiB`;
  if (size >= MIB) return `${Math.round(bytes / MIB)} MiB`;
  if (size >= KIB) return `${Math.round(bytes / KIB)} KiB`;
  return `${Math.round(bytes)} B`;
}

/** `durationMs` as `12 ms`, `0.41 s`, `12.3 s`, `4 min 09 s` or `1 h 02 min`. */
export function formatDuration(durationMs: number): string {
  // Each limit is where rounding reaches the next unit: `1 min 00 s`, never `60.0 s`.
  if (durationMs < 99.5) return `${Math.round(durationMs)} ms`;
  const seconds = durationMs / 1000;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** A parameter count as `135 M`, `8.0 B`, `671 B`. */
export function formatParameters(count: number): string {
  if (count >= 1e11) return `${Math.round(count / 1e9)} B`;
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} B`;
  if (count >= 1e6) return `${Math.round(count / 1e6)} M`;
  return String(count);
}

/** Thousands apart: `131,072`. Not by `toLocaleString`, whose first call costs 50 ms. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
