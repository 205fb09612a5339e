/**
 * Answers: a home in which the fake engine is installed, made once for a file of tests; trials get
 * homes of their own that share its engines, so that they neither install nor meet each other.
 */
import { join } from 'node:path';
import { runCli } from './cli.ts';
import { temporaryHome, type TemporaryHome } from './home.ts';
import { writeTinyGguf } from './tiny-gguf.ts';

/** A virtual environment without packages takes a second; ten times that when all cores are busy. */
const INSTALL_DEADLINE_MS = 120_000;

export interface PreparedHome extends TemporaryHome {
  /** A home of its own for one trial, and a model file in it. */
  trial(): TrialHome;
}

export interface TrialHome extends TemporaryHome {
  readonly model: string;
}

export async function preparedHome(): Promise<PreparedHome> {
  const home = temporaryHome();
  const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
  const result = await runCli(['generate', model, 'hi', '--engine', 'fake', '--yes'], {
    home: home.path,
    deadlineMs: INSTALL_DEADLINE_MS,
  });
  if (result.code !== 0) {
    home[Symbol.dispose]();
    throw new Error(`the fake engine could not be installed: ${result.stderr}`);
  }
  return {
    path: home.path,
    trial: () => trialHome(home.path),
    [Symbol.dispose]: () => home[Symbol.dispose](),
  };
}

function trialHome(dataOf: string): TrialHome {
  const home = temporaryHome({ dataOf });
  // In the trial's own home, so that the engine's command line names it.
  return { ...home, model: writeTinyGguf(join(home.path, 'tiny.gguf')) };
}
