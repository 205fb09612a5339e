/** Answers: one question to the fake engine through the real CLI, in a trial's own home. */
import { type CliOptions, type CliResult, type RunningCli, startCli } from '../support/cli.ts';
import type { TrialHome } from '../support/prepared-home.ts';
import { until } from '../support/processes.ts';
import { CLI_DEADLINE_MS } from './transcript.ts';

export interface Asking {
  readonly words?: readonly string[];
  readonly faults?: readonly string[];
  readonly more?: Partial<CliOptions>;
}

/** `generate MODEL [count] --engine fake …`, running. */
export function startAsking(home: TrialHome, asking: Asking = {}): RunningCli {
  const { words = ['count'], faults = [], more = {} } = asking;
  return startCli(['generate', home.model, ...words, '--engine', 'fake'], {
    home: home.path,
    faults,
    deadlineMs: CLI_DEADLINE_MS,
    ...more,
  });
}

export async function ask(home: TrialHome, asking: Asking = {}): Promise<CliResult> {
  return await startAsking(home, asking).result;
}

/** Resolves when stderr or stdout of the run holds `text`; throws when it ended without. */
export async function written(
  running: RunningCli,
  stream: 'stdout' | 'stderr',
  text: string,
): Promise<void> {
  const has = (): boolean => running.output()[stream].includes(text);
  await until(
    `${JSON.stringify(text)} on ${stream}`,
    () => has() || running.child.exitCode !== null,
    CLI_DEADLINE_MS,
  );
  if (!has()) throw new Error(`ended without ${text}: ${JSON.stringify(running.output())}`);
}
