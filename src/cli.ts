#!/usr/bin/env node
/**
 * The program: reads the first word, imports that one command, prints errors, sets the exit code.
 * Help and version are text made at build time, so that they load nothing.
 */
import * as module from 'node:module';
import { writeStdout } from './base/stdout.ts';
import { COMMANDS, EXIT_CODES, HELP, VERSION } from './commands/help.gen.ts';

/** Below, undici and the `using` statement are missing. */
const NODE_MIN = [22, 19] as const;

// Not awaited: the files it imports import from this one, and would wait for it for ever.
void main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    process.stderr.write(
      `error: HyperLlama needs Node ${NODE_MIN.join('.')} or newer, this is ${process.versions.node}\n\n` +
        'hint: install a newer Node, or start it with `npx hyperllama`, which brings one\n',
    );
    process.exitCode = 1;
    return;
  }
  const words = argv.filter((word) => !word.startsWith('-'));
  const first = argv.find((word) => !isCommonFlag(word));
  if (first === '--version' || first === '-V') return writeStdout(`${VERSION}\n`);
  if (first === '--help' || first === '-h') return writeStdout(HELP);
  if (first === 'help') return await help(words.slice(1));
  module.enableCompileCache?.();
  if (first === undefined) return await run('status', argv);
  // Common flags may stand before the command: `hyperllama --json info`.
  const at = argv.indexOf(first);
  await run(first, [...argv.slice(at + 1), ...argv.slice(0, at)]);
}

async function run(name: string, argv: readonly string[]): Promise<void> {
  const isJson = argv.includes('--json');
  try {
    const entry = COMMANDS.find(
      (command) => command.name === name || command.aliases.includes(name),
    );
    if (entry === undefined && name !== 'status') return await unknownCommand(name);
    const { runCommandModule } = await import('./commands/run.ts');
    await runCommandModule(entry?.name ?? name, argv);
  } catch (error) {
    await report(error, isJson);
  }
}

async function report(thrown: unknown, isJson: boolean): Promise<void> {
  const { toHyperLlamaError } = await import('./base/errors.ts');
  const { createStyle, errorJson, formatError, usesColor } = await import('./base/output.ts');
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

async function unknownCommand(name: string): Promise<never> {
  const { fail } = await import('./base/errors.ts');
  if (name.startsWith('-')) {
    const hint = 'run `hyperllama --help` to see the commands, each with options of its own';
    fail('HL_USAGE', { problem: `unknown option \`${name}\``, command: '', hint });
  }
  const { nearestNames } = await import('./base/suggest.ts');
  const names = COMMANDS.flatMap((command) => [command.name, ...command.aliases]);
  const nearest = nearestNames(name, names, { count: 2, isAnyDistance: false });
  return fail('HL_COMMAND_UNKNOWN', { command: name, nearest });
}

async function help(words: readonly string[]): Promise<void> {
  const [topic] = words;
  if (topic === undefined) writeStdout(HELP);
  else if (topic === 'exit-codes') writeStdout(EXIT_CODES);
  else await run(topic, ['--help']);
}

function isCommonFlag(word: string): boolean {
  return word === '--json' || word === '--quiet' || word === '--verbose';
}
