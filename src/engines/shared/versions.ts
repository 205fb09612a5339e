/** Answers: which of two dotted versions is older. Works on drivers, glibc and engines alike. */

/** Of an engine that is not ours: no release of it is ours to judge. */
export const VERSION_UNKNOWN = 'unknown';

/** As JSON has it. */
export function knownVersion(version: string): string | null {
  return version === VERSION_UNKNOWN ? null : version;
}

/** Negative when `a` is older than `b`, 0 when equal; parts that are not digits are skipped. */
export function compareVersions(a: string, b: string): number {
  const left = numbersOf(a);
  const right = numbersOf(b);
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): number[] {
  return (version.match(/\d+/g) ?? []).map(Number);
}
