/** One line of `doctor`: a fact, whether it is in order, and the command that mends it. */
export interface Finding {
  readonly code: string;
  /** `unmet`: nothing is broken, but an engine that is not installed cannot be had. */
  readonly level: 'ok' | 'unmet' | 'bad';
  readonly because: string;
  /** What mends it; `null` when all is well or nothing helps. */
  readonly hint: string | null;
}

export function good(code: string, because: string): Finding {
  return { code, level: 'ok', because, hint: null };
}

export function unmet(code: string, because: string, hint: string | null): Finding {
  return { code, level: 'unmet', because, hint };
}

export function bad(code: string, because: string, hint: string | null): Finding {
  return { code, level: 'bad', because, hint };
}
