/**
 * Answers: what the program tells whoever debugs it (`--verbose`): constant text and fields, one
 * line each on stderr, secrets removed by key and by pattern before any sink. Prompts and answers
 * are never passed to it.
 */

export interface Log {
  debug(text: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(text: string, fields?: Readonly<Record<string, unknown>>): void;
}

const SECRET_WORD = 'token|secret|password|passwd|api[-_]?key|authorization|credential|cookie';
const SECRET_KEY = new RegExp(SECRET_WORD, 'i');
/** The part of a URL before `@`; hub and provider keys; what follows a name that says it is one. */
const SECRET_VALUE = new RegExp(
  [
    String.raw`(?<=:\/\/)[^\s/@]+(?=@)`,
    String.raw`\b(?:hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|Bearer\s+[A-Za-z0-9._~+/-]{8,}=*)`,
    String.raw`(?<=(?:--|[?&])[\w-]*(?:${SECRET_WORD})[\w-]*=)[^\s&]+`,
  ].join('|'),
  'gi',
);
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

/** A copy without secrets: by the name of the key or flag, and by what the text looks like. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (value === null || typeof value !== 'object') return value;
  if (depth >= DEPTH_MAX) return '[deep]';
  if (Array.isArray(value)) {
    return value.map((item: unknown, at) => {
      const before: unknown = value[at - 1];
      const isFlag = typeof before === 'string' && before.startsWith('-') && !before.includes('=');
      return isFlag && isSecret(before, item) ? REDACTED : redact(item, depth + 1);
    });
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      isSecret(key, item) ? REDACTED : redact(item, depth + 1),
    ]),
  );
}

/** Numbers are never secrets: `tokens: 12` is a count. */
function isSecret(name: string, value: unknown): boolean {
  if (!SECRET_KEY.test(name)) return false;
  return typeof value === 'string' || (Array.isArray(value) && typeof value[0] === 'string');
}

export function redactText(text: string): string {
  return text.replace(SECRET_VALUE, REDACTED);
}
