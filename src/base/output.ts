/**
 * Answers: how the program speaks. stdout is the answer (text, table or `--json`); stderr is
 * everything else. Nothing moves unless stderr is a terminal, and meaning is never by colour alone.
 */
import { writeStdout, writeStdoutPart } from './stdout.ts';
import { ByteRate, formatTransfer } from './byte-rate.ts';
import { formatDuration } from './units.ts';
import type { HyperLlamaError } from './errors.ts';

export interface OutputOptions {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
}

export interface Output extends OutputOptions {
  readonly isTerminal: boolean;
  readonly width: number;
  /** The answer, as it is. */
  text(text: string): void;
  /** The next part of an answer that is still being made. */
  part(text: string): void;
  /** The answer as one JSON object. */
  json(value: unknown): void;
  /** A remark beside the answer, on stderr; `--quiet` drops it. */
  note(line: string): void;
  /** A table that fits the width; columns beyond it are wrapped. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): Promise<string>;
  progress(): Progress;
  readonly style: Style;
}

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** Long work, as a person follows it: a named phase, and how far it is where that is known. */
export interface Progress {
  phase(name: string, detail?: string): void;
  /** `fraction` 0–1, or `null` when it is not known. */
  update(detail: string, fraction: number | null): void;
  /** So many bytes of this phase are there: shown with their rate and the time left. */
  bytes(bytes: number, bytesTotal: number | null): void;
  /** Takes the line away. */
  stop(): void;
}

/** Narrower terminals get the narrowest table that is still readable. */
const WIDTH_MIN = 40;
const WIDTH_DEFAULT = 100;
/** A phase shorter than this is not announced where lines cannot be taken back. */
const PHASE_ANNOUNCE_MS = 500;
/** Without a terminal, a sign of life this often. */
const HEARTBEAT_MS = 5_000;

export function createOutput(options: OutputOptions, env: NodeJS.ProcessEnv): Output {
  const isDumb = env['TERM'] === 'dumb' || isSet(env['CI']);
  let style: Style | null = null;
  // A terminal is asked when its answer is needed: plain text needs none, and loading Node's streams
  // for the question takes a tenth of a start.
  const output: Output = {
    ...options,
    // One that does not know its width (0 columns) cannot take a line back: ora never returns.
    get isTerminal() {
      return process.stderr.isTTY && !isDumb && process.stderr.columns > 0;
    },
    get width() {
      return Math.max(WIDTH_MIN, process.stdout.columns || WIDTH_DEFAULT);
    },
    get style() {
      return (style ??= createStyle(usesColor(env, process.stdout)));
    },
    text: writeStdout,
    part: writeStdoutPart,
    json: (value) => writeStdout(`${JSON.stringify(value, null, 2)}\n`),
    note: (line) => {
      if (options.isQuiet) return;
      process.stderr.write(`${usesColor(env, process.stderr) ? line : withoutColor(line)}\n`);
    },
    table: (head, rows) => formatTable(head, rows, output),
    progress: () => {
      if (options.isQuiet || options.isJson) return silentProgress;
      return output.isTerminal ? terminalProgress() : lineProgress();
    },
  };
  return output;
}

/** `error:`, causes, the engine's last lines, a blank line, `hint:`. */
export function formatError(error: HyperLlamaError, style: Style): string {
  const lines = [`${style.red('error:')} ${error.message}`];
  for (let cause = error.cause, depth = 0; cause instanceof Error && depth < 5; depth += 1) {
    // A message often quotes its cause; once is enough.
    if (!error.message.includes(cause.message)) lines.push(`  caused by: ${cause.message}`);
    cause = cause.cause;
  }
  for (const line of error.engineLog) lines.push(style.dim(`  | ${line}`));
  if (error.hint !== null) lines.push('', `${style.bold('hint:')} ${error.hint}`);
  return `${lines.join('\n')}\n`;
}

export function errorJson(error: HyperLlamaError): unknown {
  const { code, message, hint, details, exitCode, engineLog } = error;
  return {
    schema: 'hyperllama.error/1',
    error: {
      code,
      message,
      hint,
      details: engineLog.length === 0 ? details : { ...details, engineLog },
      exitCode,
    },
  };
}

/** Colour for `stream`: `FORCE_COLOR` wins over `NO_COLOR`, which wins over the terminal. */
export function usesColor(env: NodeJS.ProcessEnv, stream: { readonly isTTY?: boolean }): boolean {
  const isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb' && !isSet(env['CI']);
  if (isSet(env['FORCE_COLOR'])) return env['FORCE_COLOR'] !== '0';
  return isTerminal && !isSet(env['NO_COLOR']);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

export function createStyle(isColor: boolean): Style {
  const wrap =
    (open: number, close: number) =>
    (text: string): string =>
      isColor ? `\u001B[${open}m${text}\u001B[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
  };
}

async function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width, style }: Pick<Output, 'width' | 'style'>,
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const colWidths = columnWidths([head, ...rows], width);
  const table = new Table({
    head: head.map((cell) => style.bold(cell)),
    colWidths,
    wordWrap: true,
    wrapOnWordBoundary: true,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '',
    },
  });
  for (const cells of rows) {
    table.push(cells.map((cell, column) => endOfPath(cell, (colWidths[column] ?? 0) - PADDING)));
  }
  const text = table.toString();
  return `${text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}

/** What tells one path from another is at its end; it has no spaces to wrap at. */
function endOfPath(cell: string, width: number): string {
  return /^\/\S*$/.test(cell) && cell.length > width ? `…${cell.slice(1 - width)}` : cell;
}

/** Columns between each column and the next. */
const PADDING = 2;

/** The widest columns give way first until the row fits. */
function columnWidths(rows: readonly (readonly string[])[], width: number): number[] {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from(
    { length: columns },
    (_, column) => Math.max(...rows.map((row) => longestLine(row[column] ?? ''))) + PADDING,
  );
  const narrowest = 8;
  for (let total = sum(widths); total > width; total = sum(widths)) {
    const widest = widths.indexOf(Math.max(...widths));
    const current = widths[widest] ?? 0;
    if (current <= narrowest) break;
    widths[widest] = Math.max(narrowest, current - (total - width), Math.floor(current * 0.9) - 1);
  }
  return widths;
}

function longestLine(cell: string): number {
  const plain = withoutColor(cell);
  return Math.max(...plain.split('\n').map((line) => line.length));
}

function withoutColor(text: string): string {
  // oxlint-disable-next-line no-control-regex -- colour codes are control characters
  return text.replace(/\u001B\[[0-9;]*m/g, '');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const silentProgress: Progress = {
  phase: () => undefined,
  update: () => undefined,
  bytes: () => undefined,
  stop: () => undefined,
};

/** The words and the fraction of a transfer; `rate` belongs to one phase. */
function transferOf(
  rate: ByteRate,
  bytes: number,
  bytesTotal: number | null,
): readonly [string, number | null] {
  rate.note(bytes, performance.now());
  const fraction = bytesTotal === null || bytesTotal === 0 ? null : bytes / bytesTotal;
  return [formatTransfer(bytes, bytesTotal, rate.bytesPerSecond), fraction];
}

/** Without a terminal: one line for each phase that lasts, and a heartbeat in long ones. */
function lineProgress(): Progress {
  let name = '';
  let detail = '';
  let startedAt = 0;
  let rate = new ByteRate();
  let timer: NodeJS.Timeout | undefined;
  const say = (): void => {
    const elapsed = performance.now() - startedAt;
    const after = elapsed > HEARTBEAT_MS ? ` (${formatDuration(elapsed)})` : '';
    process.stderr.write(` ${name}${detail === '' ? '' : ` ${detail}`}${after}\n`);
    timer = setTimeout(say, HEARTBEAT_MS).unref();
  };
  return {
    phase: (next, words = '') => {
      clearTimeout(timer);
      [name, detail, startedAt] = [next, words, performance.now()];
      rate = new ByteRate();
      timer = setTimeout(say, PHASE_ANNOUNCE_MS).unref();
    },
    update: (words) => {
      detail = words;
    },
    bytes: (bytes, bytesTotal) => {
      [detail] = transferOf(rate, bytes, bytesTotal);
    },
    stop: () => clearTimeout(timer),
  };
}

/** On a terminal: one line by ora, with a bar where a fraction is known. */
function terminalProgress(): Progress {
  let spinner: { text: string; stop: () => unknown } | null = null;
  let isStopped = false;
  let name = '';
  let detail = '';
  let fraction: number | null = null;
  let rate = new ByteRate();
  let startedAt = 0;
  const text = (): string => {
    const elapsed = performance.now() - startedAt;
    const bar = fraction === null ? '' : ` ${progressBar(fraction)}`;
    const after = elapsed > 2000 ? ` ${formatDuration(elapsed)}` : '';
    return `${name}${bar}${detail === '' ? '' : ` ${detail}`}${after}`;
  };
  const ticker = setInterval(() => {
    if (spinner !== null) spinner.text = text();
  }, 200).unref();
  const start = async (): Promise<void> => {
    const { default: ora } = await import('ora');
    if (isStopped) return;
    spinner = ora({ text: text(), stream: process.stderr, discardStdin: false }).start();
  };
  let isStarting = false;
  return {
    phase: (next, words = '') => {
      [name, detail, fraction, startedAt] = [next, words, null, performance.now()];
      rate = new ByteRate();
      if (!isStarting) {
        isStarting = true;
        void start(); // Failing to draw must not end the work; ora is a dependency of ours.
      }
    },
    update: (words, next) => {
      [detail, fraction] = [words, next];
    },
    bytes: (bytes, bytesTotal) => {
      [detail, fraction] = transferOf(rate, bytes, bytesTotal);
    },
    stop: () => {
      isStopped = true;
      clearInterval(ticker);
      spinner?.stop();
    },
  };
}

/** `[█████░░░░░] 48 %` */
export function progressBar(fraction: number): string {
  const cells = 20;
  const part = Math.min(1, Math.max(0, fraction));
  const full = Math.round(part * cells);
  return `[${'█'.repeat(full)}${'░'.repeat(cells - full)}] ${Math.floor(part * 100)} %`;
}
