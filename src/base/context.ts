/** What every command has at hand: where files lie, what is configured, how to speak, when to stop. */
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import type { Output } from './output.ts';
import type { Paths } from './paths.ts';
import type { Python, PythonRange } from './python.ts';

export interface Context {
  readonly paths: Paths;
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
  readonly log: Log;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  /**
   * Found at the first call; `range` where an engine needs another one than the services.
   * @throws HL_PYTHON_MISSING, HL_PYTHON_TOO_OLD, HL_PYTHON_TOO_NEW
   */
  readonly python: (range?: PythonRange) => Promise<Python>;
  /** Asks a yes-or-no question; `--yes` answers yes, no terminal answers no. */
  readonly consent: (question: string) => Promise<boolean>;
}
