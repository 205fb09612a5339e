/** Answers: which values a probe found and where, in the form of `Machine.sources`. */

export type Sources = Readonly<Record<string, string>>;

/** One probe's part of the machine, with the origin of each value in it. */
export interface Sourced<T> {
  readonly value: T;
  readonly sources: Sources;
}

/** `{ 'cpu.model': source, … }` for each of `values` that is known. */
export function sourcesOf(
  prefix: string,
  values: Readonly<Record<string, unknown>>,
  source: string,
): Sources {
  const known = Object.entries(values).filter(([, value]) => value !== null && !isEmpty(value));
  return Object.fromEntries(known.map(([name]) => [`${prefix}.${name}`, source]));
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
