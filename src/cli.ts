#!/usr/bin/env node
/**
 * The program: reads the first word and imports what answers it. Help and version are text made at
 * build time, so that they load nothing.
 */
import { resolvePaths } from './base/paths.ts';
import { writeStdout } from './base/stdout.ts';
import { EXIT_CODES, HELP, VERSION } from './commands/help.gen.ts';

/** Below, undici and the `using` statement are missing. */
const NODE_MIN = [22, 19] as const;
/** Node's own number for a program that ends while something is still awaited. */
const EXIT_UNFINISHED = 13;

process.exitCode = EXIT_UNFINISHED;
// Not awaited: files of the bundle import from this one, and would wait for its end for ever.
void main(process.argv.slice(2)).then(() => {
  if (process.exitCode === EXIT_UNFINISHED) process.exitCode = 0;
});

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
  const first = argv.find((word) => !isCommonFlag(word));
  if (first === '--version' || first === '-V') return writeStdout(`${VERSION}\n`);
  if (first === '--help' || first === '-h') return writeStdout(HELP);
  if (first === 'help') return await help(argv.filter((word) => !word.startsWith('-'))[1]);
  if (first === undefined) return await run('status', argv);
  // Common flags may stand before the command: `hyperllama --json info`.
  const at = argv.indexOf(first);
  await run(first, [...argv.slice(at + 1), ...argv.slice(0, at)]);
}

async function help(topic: string | undefined): Promise<void> {
  if (topic === undefined) writeStdout(HELP);
  else if (topic === 'exit-codes') writeStdout(EXIT_CODES);
  else await run(topic, ['--help']);
}

async function run(name: string, argv: readonly string[]): Promise<void> {
  // Holds for what is imported from here on. In a folder of ours, because Node's own is shared by all
  // users of the machine, and finding it loads `node:os`.
  const folder = `${resolvePaths().cache}/compiled`;
  process.getBuiltinModule('node:module').enableCompileCache(folder);
  const { runProgram } = await import('./commands/program.ts');
  await runProgram(name, argv);
}

function isCommonFlag(word: string): boolean {
  return word === '--json' || word === '--quiet' || word === '--verbose';
}
