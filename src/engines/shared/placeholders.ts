/** Answers: what stands in a plan where only a start knows the value, and how it is filled in. */

const PLACEHOLDER = /\{(?:socket|host|port|metrics-port|served-name|cache)\}/g;

/** Keys with their braces: `{port}`. What has no value stays as it is. */
export function fillPlaceholders(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(PLACEHOLDER, (name) => values[name] ?? name);
}
