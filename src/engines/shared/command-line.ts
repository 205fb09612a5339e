/** Answers: a plan's command as a person would type it. */
import type { Engine, EnginePlan } from '../engine.ts';

/** Program and arguments, quoted where a shell needs it; placeholders stay as they are. */
export function commandLine(engine: Pick<Engine, 'id' | 'command'>, plan: EnginePlan): string {
  const program = plan.executable === null ? (engine.command ?? engine.id) : plan.executable;
  const words = plan.args.flatMap(({ flag, value }) => (value === null ? [flag] : [flag, value]));
  const head = plan.executable === null ? program : quoteForShell(program);
  return [head, ...words.map((word) => quoteForShell(word))].join(' ');
}

function quoteForShell(word: string): string {
  return /^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
