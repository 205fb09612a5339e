/** Answers: which file holds a command, and runs it. Imports that one file only. */
import type { Command } from 'commander';

/** A command file's one export: the command with its options and action. */
type CommandModule = { readonly default: () => Command };

export const COMMAND_MODULES: Readonly<Record<string, () => Promise<CommandModule>>> = {
  status: () => import('./status.ts'),
  info: () => import('./info.ts'),
  generate: () => import('./generate.ts'),
  plan: () => import('./plan.ts'),
  bench: () => import('./bench.ts'),
  ps: () => import('./ps.ts'),
  stop: () => import('./stop.ts'),
  list: () => import('./list.ts'),
  show: () => import('./show.ts'),
  engines: () => import('./engines.ts'),
  doctor: () => import('./doctor.ts'),
  config: () => import('./config.ts'),
};

export async function runCommandModule(name: string, argv: readonly string[]): Promise<void> {
  const load = COMMAND_MODULES[name];
  if (load === undefined) throw new Error(`no module for the command ${name}`);
  const [{ default: build }, { toUsageError }] = await Promise.all([load(), import('./shared.ts')]);
  try {
    await build().parseAsync([...argv], { from: 'user' });
  } catch (error) {
    const usage = toUsageError(error, name);
    if (usage !== null) throw usage;
  }
}
