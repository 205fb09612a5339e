/**
 * Answers: what the program tells whoever debugs it (`--verbose`): constant text and fields, one
 * line each on stderr, secrets removed by key and by pattern before any sink. Prompts and answers
 * are never passed to it.
 */

export interface Log {
  debug(text: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(text: string, fields?: Readonly<Record<string, unknown>>): void;
}

const SECRET_KEY = /token|secret|password|passwd|api[-_]?key|authorization|credential|cookie/i;
/** Bearer headers, hub and provider keys, `user:password@` in a URL. */
const SECRET_VALUE =
  /\b(?:hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|Bearer\s+[A-Za-z0-9._~+/-]{8,}=*)|(?<=:\/\/)[^\s/:@]+:[^\s/@]+(?=@)/g;
const REDACTED = '[redacted]';
/** Fields deeper than this are cut: nothing we log is deeper. */
const DEPTH_MAX = 6;

export function createLog(options: {
  readonly isVerbose: boolean;
  readonly write: (line: string) => void;
}): Log {
  const line = (level: string, text: string, fields?: Readonly<Record<string, unknown>>): void => {
    const tail = fields === undefined ? '' : ` ${JSON.stringify(redact(fields))}`;
    options.write(`${level}: ${redactText(text)}${tail}\n`);
  };
  return {
    debug: (text, fields) => {
      if (options.isVerbose) line('debug', text, fields);
    },
    warn: (text, fields) => line('warning', text, fields),
  };
}

/** A copy without secrets: by the name of the key, and by what the text looks like. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (value === null || typeof value !== 'object') return value;
  if (depth >= DEPTH_MAX) return '[deep]';
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      SECRET_KEY.test(key) && typeof item === 'string' ? REDACTED : redact(item, depth + 1),
    ]),
  );
}

export function redactText(text: string): string {
  return text.replace(SECRET_VALUE, REDACTED);
}
