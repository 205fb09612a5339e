/** Answers: what a page of a front holds. */

export function readJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const page: unknown = JSON.parse(text);
    if (page !== null && typeof page === 'object') return page as Readonly<Record<string, unknown>>;
  } catch {
    // Not its page: the caller reads that from the missing values.
  }
  return {};
}
