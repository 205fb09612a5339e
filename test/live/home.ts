/**
 * Answers: a home in which the real engine and the real model are installed, from the package index
 * of this machine. `HYPERLLAMA_TEST_HOME` keeps one between runs.
 */
import { mkdirSync } from 'node:fs';
import {
  runCli,
  startCli,
  type CliOptions,
  type CliResult,
  type RunningCli,
} from '../support/cli.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';

export const MODEL = 'smollm2:135m';
export const JAPAN = 'What is the capital of Japan?';

/** 150 MB from an index over a slow line. */
export const INSTALL_DEADLINE_MS = 900_000;
/** The model answers in two seconds on two quiet cores; on busy ones in thirty. */
export const ANSWER_DEADLINE_MS = 240_000;

export interface LiveHome extends TemporaryHome {
  /** A home of its own that shares engine and model. */
  trial(): TemporaryHome;
}

/** Installs by the command a new user would type. Fails, and does not skip, without a network. */
export async function liveHome(): Promise<LiveHome> {
  const kept = process.env['HYPERLLAMA_TEST_HOME'];
  const home = kept === undefined || kept === '' ? temporaryHome() : keptHome(kept);
  const result = await live(['generate', MODEL, JAPAN, '--temperature', '0', '--max-tokens', '8'], {
    home: home.path,
    deadlineMs: INSTALL_DEADLINE_MS,
  });
  if (result.code !== 0) {
    home[Symbol.dispose]();
    throw new Error(`the engine or its model could not be installed:\n${result.stderr}`);
  }
  return { ...home, trial: () => temporaryHome({ dataOf: home.path }) };
}

export function keptHome(path: string): TemporaryHome {
  mkdirSync(path, { recursive: true });
  return { path, [Symbol.dispose]: () => undefined };
}

type LiveOptions = Partial<CliOptions> & { readonly home: string };

/** The real engines only; whatever index and proxy this machine has. */
function optionsOf(options: LiveOptions): CliOptions {
  const passed = Object.entries(process.env).filter(([name]) =>
    /^(?:PIP_|UV_|(?:https?|no|all)_proxy$|SSL_CERT|REQUESTS_CA)/i.test(name),
  );
  const env: Record<string, string> = {};
  for (const [name, value] of passed) env[name] = value ?? '';
  return {
    deadlineMs: ANSWER_DEADLINE_MS,
    ...options,
    env: { ...env, HYPERLLAMA_TEST_ENGINE: '', ...options.env },
  };
}

export async function live(args: readonly string[], options: LiveOptions): Promise<CliResult> {
  return await runCli(args, optionsOf(options));
}

export function startLive(args: readonly string[], options: LiveOptions): RunningCli {
  return startCli(args, optionsOf(options));
}
