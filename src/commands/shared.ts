/**
 * Answers: what all commands have in common: the options each of them takes, how values are read,
 * and the context they run in.
 */
import { Command, CommanderError } from 'commander';
import { loadConfig } from '../base/config.ts';
import type { Context } from '../base/context.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { createOutput } from '../base/output.ts';
import { resolvePaths } from '../base/paths.ts';
import type { Python, PythonRange } from '../base/python.ts';
import { writeStdout } from '../base/stdout.ts';
import { WORKLOAD_NAMES, type Workload, type WorkloadName } from '../workloads/workload.ts';
import { makeWorkload } from '../workloads/presets.ts';

export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly python?: string;
  readonly yes?: boolean;
}

/** A command with the options every command has; its own come after. */
export function createCommand(name: string, summary: string): Command {
  return quietCommand(name, summary)
    .option('--json', 'print one JSON object with a schema version')
    .option('--quiet', 'print the answer only')
    .option('--verbose', 'say on stderr what is done and why');
}

function quietCommand(name: string, summary: string): Command {
  return new Command(name)
    .description(summary)
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureOutput({ writeOut: writeStdout, writeErr: () => undefined })
    .exitOverride();
}

/** A command of subcommands. The common options are theirs: here they would be taken from them. */
export function createGroup(name: string, summary: string): Command {
  return quietCommand(name, summary);
}

/** Commander's complaints in our words; its help and version requests end quietly. */
export function toUsageError(error: unknown, command: string): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) return null;
  const words = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll("'", '`');
  const meant = / \(Did you mean (?:one of )?(.+)\?\)$/.exec(words);
  const problem = words
    .slice(0, meant?.index)
    .replace(
      /^too many arguments.* Expected (\d+).* got (\d+)\.$/,
      (_, most: string, got: string) => {
        const taken = most === '0' ? 'no arguments' : `${most} argument${most === '1' ? '' : 's'}`;
        return `\`${command}\` takes ${taken}, got ${got}`;
      },
    );
  if (meant?.[1] === undefined) return new HyperLlamaError('HL_USAGE', { problem, command });
  const names = meant[1].split(', ').map((name) => `\`${name}\``);
  const hint = `did you mean ${names.join(' or ')}?`;
  return new HyperLlamaError('HL_USAGE', { problem, command, hint });
}

/** `onMistake`: for a command that has to work whatever the configuration says. */
export async function createContext(
  options: CommonOptions,
  onMistake?: (mistake: HyperLlamaError) => void,
): Promise<Context> {
  const env = process.env;
  const paths = resolvePaths(env);
  const output = createOutput(
    {
      isJson: options.json === true,
      isQuiet: options.quiet === true,
      isVerbose: options.verbose === true,
    },
    env,
  );
  const config = await loadConfig({
    configFolder: paths.config,
    workingFolder: process.cwd(),
    env,
    ...(onMistake === undefined ? {} : { onMistake }),
  });
  const signal = interruptSignal();
  let python: Promise<Python> | null = null;
  const asked = options.python ?? config.python.value;
  const find = async (range?: PythonRange): Promise<Python> => {
    const { findPython } = await import('../base/python.ts');
    return await findPython({ asked, range, cacheFolder: paths.cache, env });
  };
  // A wrong one is an error also where everything is installed and none is needed.
  if (options.python !== undefined) await (python = find());
  return {
    paths,
    config,
    env,
    output,
    log: createLog({ isVerbose: output.isVerbose, write: (line) => process.stderr.write(line) }),
    get signal() {
      return signal();
    },
    python: (range) => (range === undefined ? (python ??= find()) : find(range)),
    consent: async (question) => options.yes === true || (await askOnTerminal(question, signal())),
  };
}

/**
 * Aborted by the first Ctrl-C (or SIGTERM, SIGHUP), so that partial results are shown and engines
 * end; the second Ctrl-C quits at once, and the guards end the engines. Made when it is first asked
 * for: what Node needs for it takes 0.8 ms of a start, and a command that waits for nobody has no
 * use for it.
 */
function interruptSignal(): () => AbortSignal {
  let isInterrupted = false;
  let controller: AbortController | null = null;
  const abort = (): void =>
    controller?.abort(new HyperLlamaError('HL_CANCELLED', { phase: 'start' }));
  const interrupt = (signal: NodeJS.Signals): void => {
    if (isInterrupted) process.exit(signal === 'SIGINT' ? 130 : 143);
    isInterrupted = true;
    abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  return () => {
    if (controller === null) {
      controller = new AbortController();
      if (isInterrupted) abort();
    }
    return controller.signal;
  };
}

/** @throws HL_CANCELLED: the terminal gives Ctrl-C to the question as a key, not as a signal. */
async function askOnTerminal(question: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
    process.stderr.write('\n');
    return fail('HL_CANCELLED', { phase: 'question' });
  } finally {
    terminal.close();
  }
}

/** A reader for `--option N` with bounds, for commander. */
export function integer(option: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= min && value <= max && text.trim() !== '')
      return value;
    const expected = `a whole number from ${min} to ${max}`;
    return fail('HL_OPTION_INVALID', { option, value: text, expected });
  };
}

export function decimal(option: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isFinite(value) && value >= min && value <= max && text.trim() !== '') return value;
    return fail('HL_OPTION_INVALID', {
      option,
      value: text,
      expected: `a number from ${min} to ${max}`,
    });
  };
}

const DAY_MS = 24 * 3_600_000;
/** Node's timers hold 24.8 days; a longer one would be over at once. */
const TIMER_DAYS_MAX = 24;

/** `90`, `90s`, `15m`, `2h` in whole ms. */
export function duration(
  option: string,
  daysMax: number = TIMER_DAYS_MAX,
): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
    const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? 's'];
    const ms = Number(match?.[1]) * (unitMs ?? Number.NaN);
    if (ms >= 1 && ms <= daysMax * DAY_MS) return Math.round(ms);
    const bounds = Number.isNaN(ms) ? 'such as `90s`, `15m` or `2h`' : `of 1 ms to ${daysMax} days`;
    return fail('HL_OPTION_INVALID', { option, value: text, expected: `a duration ${bounds}` });
  };
}

export interface WorkloadOptions {
  readonly for?: string;
  readonly concurrency?: number;
  readonly context?: number;
  readonly device?: string;
}

/** Options that say what is wanted of a model, the same for every command that decides. */
export function addWorkloadOptions(command: Command): Command {
  return command
    .option('--for <workload>', `what it is for: ${WORKLOAD_NAMES.join(', ')}`)
    .option('--context <tokens>', 'context a request may use', integer('--context', 16, 10_000_000))
    .option('--device <device>', 'auto, cpu or gpu');
}

export function workloadFrom(
  options: WorkloadOptions,
  context: Context,
  name: string | undefined = options.for,
): Workload {
  const preset = name ?? 'chat';
  if (!isWorkloadName(preset)) {
    const expected = `one of ${WORKLOAD_NAMES.join(', ')}`;
    return fail('HL_OPTION_INVALID', { option: '--for', value: preset, expected });
  }
  const device = options.device ?? context.config.device.value;
  if (device !== 'auto' && device !== 'cpu' && device !== 'gpu') {
    return fail('HL_OPTION_INVALID', {
      option: '--device',
      value: device,
      expected: 'auto, cpu or gpu',
    });
  }
  return makeWorkload(preset, {
    device,
    ...(options.context === undefined ? {} : { contextTokens: options.context }),
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
  });
}

function isWorkloadName(name: string): name is WorkloadName {
  return (WORKLOAD_NAMES as readonly string[]).includes(name);
}
