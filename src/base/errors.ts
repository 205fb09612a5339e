/**
 * Answers: how an error travels: one class, thrown by `fail` with the values its message needs.
 * What can go wrong and in which words stands in `error-table.ts`.
 */
import {
  ERRORS,
  type Common,
  type ErrorCode,
  type ErrorParams,
  type Family,
  type Row,
} from './error-table.ts';

export type { ErrorCode } from './error-table.ts';

export class HyperLlamaError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | null;
  /** The values of the message; JSON-safe. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly exitCode: number;
  readonly httpStatus: number;
  readonly isRetryable: boolean;
  readonly family: Family;
  /** The last lines the engine wrote, at most 20, oldest first. */
  readonly engineLog: readonly string[];

  constructor(
    code: ErrorCode,
    params: object,
    options: { cause?: unknown; engineLog?: readonly string[] } = {},
  ) {
    // `fail` has checked the parameters against the row of this very code.
    const entry = ERRORS[code] as unknown as Row<object>;
    super(entry.message(params), options.cause === undefined ? {} : { cause: options.cause });
    const { hint, ...details } = params as Common & Record<string, unknown>;
    this.name = 'HyperLlamaError';
    this.code = code;
    this.hint = hint ?? entry.hint(params);
    this.details = details;
    this.exitCode = entry.exitCode;
    this.httpStatus = entry.httpStatus;
    this.isRetryable = entry.isRetryable;
    this.family = entry.family;
    this.engineLog = options.engineLog ?? [];
  }
}

/**
 * Throws the error of `code`; the compiler asks for the values its message needs. `params.hint`
 * replaces the table's hint where the caller knows a better command.
 */
export function fail<C extends ErrorCode>(
  code: C,
  params: ErrorParams[C] & Common,
  options: { cause?: unknown; engineLog?: readonly string[] } = {},
): never {
  throw new HyperLlamaError(code, params, options);
}

/** Any thrown value as our error; what is not ours is a bug of ours. */
export function toHyperLlamaError(thrown: unknown): HyperLlamaError {
  if (thrown instanceof HyperLlamaError) return thrown;
  const code = errnoOf(thrown);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const path = (thrown as NodeJS.ErrnoException).path ?? 'the data folder';
    return new HyperLlamaError(
      'HL_DISK_FULL',
      { path, bytesNeeded: null, bytesFree: null },
      { cause: thrown },
    );
  }
  const problem = code === null ? undefined : UNWRITABLE[code];
  if (problem !== undefined) {
    const path = (thrown as NodeJS.ErrnoException).path;
    if (path !== undefined) {
      return new HyperLlamaError('HL_STATE_UNWRITABLE', { path, problem }, { cause: thrown });
    }
  }
  const because = thrown instanceof Error ? thrown.message : String(thrown);
  return new HyperLlamaError('HL_INTERNAL', { because, log: null }, { cause: thrown });
}

/** System errors that a folder of ours causes, not a bug. */
const UNWRITABLE: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of it is not a folder',
};

/** `ENOENT` and the like, or `null` for anything that is not a system error. */
export function errnoOf(thrown: unknown): string | null {
  if (thrown instanceof HyperLlamaError) return null;
  if (!(thrown instanceof Error) || !('code' in thrown)) return null;
  return typeof thrown.code === 'string' ? thrown.code : null;
}
