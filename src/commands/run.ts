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
  const [{ default: build }, { asProgram, toUsageError }] = await Promise.all([
    load(),
    import('./shared.ts'),
  ]);
  const command = build();
  const unknown = unknownSubcommand(command, argv);
  if (unknown !== null) return await refuseSubcommand(command, unknown);
  try {
    await asProgram(command).parseAsync([name, ...argv], { from: 'user' });
  } catch (error) {
    const usage = toUsageError(error, name);
    if (usage !== null) throw usage;
  }
}

/** A word where a subcommand should be; commander would hand it to the default one. */
function unknownSubcommand(command: Command, argv: readonly string[]): string | null {
  const word = argv.find((arg) => !arg.startsWith('-'));
  if (word === undefined || command.commands.length === 0) return null;
  return command.commands.some((sub) => sub.name() === word) ? null : word;
}

async function refuseSubcommand(command: Command, word: string): Promise<never> {
  const [{ fail }, { nearestNames }] = await Promise.all([
    import('../base/errors.ts'),
    import('../base/suggest.ts'),
  ]);
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
