/** Answers: which file holds a command, and runs it. Imports that one file only. */
import type { Command } from 'commander';
import { fail } from '../base/errors.ts';
import { nearestNames } from '../base/suggest.ts';
import { toUsageError } from './shared.ts';

/** A command file's one export: the command with its options and action. */
type CommandModule = { readonly default: () => Command };

export const COMMAND_MODULES: Readonly<Record<string, () => Promise<CommandModule>>> = {
  status: () => import('./status.ts'),
  info: () => import('./info.ts'),
  generate: () => import('./generate.ts'),
  plan: () => import('./plan.ts'),
  deploy: () => import('./deploy.ts'),
  bench: () => import('./bench.ts'),
  ps: () => import('./ps.ts'),
  stop: () => import('./stop.ts'),
  list: () => import('./list.ts'),
  show: () => import('./show.ts'),
  engines: () => import('./engines.ts'),
  doctor: () => import('./doctor.ts'),
  convert: () => import('./convert.ts'),
  config: () => import('./config.ts'),
};

export async function runCommandModule(name: string, argv: readonly string[]): Promise<void> {
  const load = COMMAND_MODULES[name];
  if (load === undefined) throw new Error(`no module for the command ${name}`);
  const { default: build } = await load();
  const command = build();
  const words = withSubcommand(command, argv);
  try {
    // Named so that its help shows the line a person would type.
    await command.name(`hyperllama ${name}`).parseAsync(words, { from: 'user' });
  } catch (error) {
    const usage = toUsageError(error, name);
    if (usage !== null) throw usage;
  }
}

/** The subcommand in front, wherever it stood. Commander would hand a mistyped one to the default. */
function withSubcommand(command: Command, argv: readonly string[]): readonly string[] {
  const at = argv.findIndex((arg) => !arg.startsWith('-'));
  const word = argv[at];
  if (word === undefined || command.commands.length === 0) return argv;
  if (!command.commands.some((sub) => sub.name() === word)) {
    return refuseSubcommand(command, word);
  }
  return [word, ...argv.slice(0, at), ...argv.slice(at + 1)];
}

function refuseSubcommand(command: Command, word: string): never {
  const names = command.commands.map((sub) => sub.name());
  const nearest = nearestNames(word, names, { count: 2, isAnyDistance: false });
  return fail('HL_COMMAND_UNKNOWN', {
    command: `${command.name()} ${word}`,
    nearest: nearest.map((name) => `${command.name()} ${name}`),
    ...(nearest.length > 0
      ? {}
      : { hint: `\`hyperllama ${command.name()}\` has ${names.join(', ')}` }),
  });
}
