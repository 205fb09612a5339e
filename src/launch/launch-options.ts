/** What a start needs to know besides its plan. */
import type { Log } from '../base/log.ts';
import type { Paths } from '../base/paths.ts';
import type { Service } from '../engines/engine.ts';
import type { SpareGuard } from './guard-process.ts';

export interface LaunchOptions {
  readonly engine: Service;
  readonly paths: Paths;
  /** Interpreter of the engine's environment, or the machine's own for a program that is not ours. */
  readonly python: string;
  /** Absolute path of the engine's `service.py`. */
  readonly service: string;
  /** Where the engine may keep what it compiled, between starts; `{cache}` of a plan. */
  readonly engineCacheFolder: string;
  readonly keepAliveMs: number;
  /** The port of a plan that listens on one; absent = any free one. */
  readonly port?: number;
  /** Longest start; `null` = the plan's own. */
  readonly startDeadlineMs: number | null;
  readonly env: NodeJS.ProcessEnv;
  /** A guard that waits for its order already; `null` = none. */
  readonly spare: SpareGuard | null;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly onPhase: (phase: string, detail: string, fraction: number | null) => void;
}
