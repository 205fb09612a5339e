/** Answers: which known names are nearest to a mistyped one. */

/** Up to `count` of `names`, nearest first; far ones only when `isAnyDistance`. */
export function nearestNames(
  name: string,
  names: readonly string[],
  options: { readonly count: number; readonly isAnyDistance: boolean },
): readonly string[] {
  const wanted = name.toLowerCase();
  return names
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => {
      if (options.isAnyDistance) return true;
      return (
        distance <= Math.max(1, Math.floor(candidate.length / 3)) || candidate.startsWith(wanted)
      );
    })
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, options.count)
    .map(({ candidate }) => candidate);
}

/** Optimal string alignment distance: insert, delete, replace, swap neighbours, one each. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(
        (previous[j] ?? 0) + 1,
        (current[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + cost,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
