/**
 * Answers: what a person saw of one run of the CLI, as text for a snapshot: exit code, stdout and
 * stderr, with what differs between machines and runs replaced by words.
 */
import { fileURLToPath } from 'node:url';
import { runCli, type CliOptions, type CliResult } from '../support/cli.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** Nothing here takes seconds; on a busy machine everything takes ten times as long. */
export const CLI_DEADLINE_MS = 60_000;

/** Signs of life of a phase that lasts: a quick machine has none to tell. */
const PROGRESS = /^ (?:start|load|warm-up|prefill|wait|prepare|download|install)\b(?!.*: ).*\n/gm;

/** What is never the same twice. Sizes and numbers of a test's own model stay: they are facts. */
const FILTERS: readonly (readonly [RegExp, string])[] = [
  [/\bHyperLlama \d+\.\d+\.\d+/g, 'HyperLlama VERSION'],
  [/\bNode \d+\.\d+\.\d+/g, 'Node VERSION'],
  [/\bPython \d+\.\d+\.\d+ at `[^`]+`/g, 'Python VERSION at `PYTHON`'],
  [/\b\d+(?:\.\d+)? (?:MiB|GiB) free\b/g, 'SIZE free'],
  [/\b\d+(?:\.\d+)? (?:MiB|GiB) is needed\b/g, 'SIZE is needed'],
  [/\b\d+(?:\.\d+)? (?:KiB|MiB|GiB) freed\b/g, 'SIZE freed'],
  [/\b\d+ (?:h|min) \d\d (?:min|s)\b/g, 'TIME'],
  [/\b\d+(?:\.\d+)? (?:ms|s)\b/g, 'TIME'],
  [/\b\d+(?:\.\d+)? tok\/s\b/g, 'SPEED'],
  [/\brun\/[0-9a-f]{8}\b/g, 'run/KEY'],
  [/\(CPU, [\w-]+\)/g, '(CPU)'],
  [/\('127\.0\.0\.1', \d+\)/g, "('127.0.0.1', PORT)"],
  [/\.staging-[\w.-]+/g, '.staging'],
];

/** A run with the real engines only, a home of its own and no other settings of this machine. */
export async function cli(
  args: readonly string[],
  options: Omit<CliOptions, 'deadlineMs'> & { readonly deadlineMs?: number },
): Promise<CliResult> {
  return await runCli(args, {
    deadlineMs: CLI_DEADLINE_MS,
    ...options,
    env: { HOME: options.home, HYPERLLAMA_TEST_ENGINE: '', ...options.env },
  });
}

/** `exit 2`, then what went to stdout and to stderr; an empty stream is left out. */
export function transcript(result: CliResult, home: string): string {
  const end = result.isLate ? 'ended by the test' : `exit ${result.code ?? result.signal}`;
  const streams = [
    ['stdout', result.stdout],
    ['stderr', result.stderr],
  ] as const;
  const parts = streams
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `--- ${name}\n${filtered(text, home)}`);
  return [end, ...parts].join('\n').trimEnd();
}

/** What `doctor` says of the machine and of one engine: the others depend on what machine this is. */
export function withoutOtherEngines(text: string, id: string): string {
  const kept = ['node', 'python', 'folders', 'disk', 'sessions', 'installs', id].join('|');
  return text.replaceAll(
    new RegExp(`^(?:ok |-- |bad) (?!(?:${kept}) ).*\\n(?: +→.*\\n)?`, 'gm'),
    '',
  );
}

export function filtered(text: string, home: string): string {
  let plain = text.replaceAll(PROGRESS, '').replaceAll(home, '~').replaceAll(REPOSITORY, '.');
  for (const [pattern, word] of FILTERS) plain = plain.replaceAll(pattern, word);
  return plain;
}
