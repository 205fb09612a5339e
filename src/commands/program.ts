/** Answers: one command line: finds its command, runs it, prints what went wrong. */
import { fail, toHyperLlamaError } from '../base/errors.ts';
import { createStyle, errorJson, formatError, usesColor } from '../base/output.ts';
import { writeStdout } from '../base/stdout.ts';
import { nearestNames } from '../base/suggest.ts';
import { COMMANDS } from './help.gen.ts';
import { runCommandModule } from './run.ts';

/** Never throws: an error is printed, and its number becomes the exit code. */
export async function runProgram(name: string, argv: readonly string[]): Promise<void> {
  try {
    await runCommandModule(commandOf(name), argv);
  } catch (error) {
    report(error, argv.includes('--json'));
  }
}

/** Its full name; `status` is what no word at all means, and stands in no help. */
function commandOf(name: string): string {
  if (name === 'status') return name;
  const entry = COMMANDS.find((command) => command.name === name || command.aliases.includes(name));
  if (entry !== undefined) return entry.name;
  if (name.startsWith('-')) {
    const hint = 'run `hyperllama --help` to see the commands, each with options of its own';
    fail('HL_USAGE', { problem: `unknown option \`${name}\``, command: '', hint });
  }
  const names = COMMANDS.flatMap((command) => [command.name, ...command.aliases]);
  const nearest = nearestNames(name, names, { count: 2, isAnyDistance: false });
  return fail('HL_COMMAND_UNKNOWN', { command: name, nearest });
}

function report(thrown: unknown, isJson: boolean): void {
  const error = toHyperLlamaError(thrown);
  process.exitCode = error.exitCode;
  if (isJson) writeStdout(`${JSON.stringify(errorJson(error), null, 2)}\n`);
  const style = createStyle(usesColor(process.env, process.stderr));
  if (!isJson) process.stderr.write(formatError(error, style));
  // The stack is for us: only a bug has use for it.
  const isBug = error.code === 'HL_INTERNAL' && thrown instanceof Error;
  if (isBug && process.env['HYPERLLAMA_DEBUG'] !== undefined) {
    process.stderr.write(`\n${thrown.stack ?? ''}\n`);
  }
}
