/**
 * Writes `src/commands/help.gen.ts`: the text of `--help`, `--version` and `help exit-codes`, and
 * the list of commands, so that showing them loads nothing. `--check` says whether it is fresh.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { ERRORS } from '../src/base/error-table.ts';
import { COMMAND_MODULES } from '../src/commands/run.ts';

const target = new URL('../src/commands/help.gen.ts', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const commands = [];
for (const [name, load] of Object.entries(COMMAND_MODULES)) {
  const command = (await load()).default();
  if (name === 'status') continue;
  commands.push({
    name,
    aliases: command.aliases(),
    usage: command.usage(),
    summary: command.description(),
  });
}

const words = (name: string, usage: string): string => {
  const operands = usage
    .replaceAll('[options] ', '')
    .replaceAll('[options]', '')
    .replace('[command]', '')
    .trim();
  return `${name} ${operands}`.trim();
};
const width = Math.max(...commands.map(({ name, usage }) => words(name, usage).length)) + 3;
const help = `HyperLlama ${manifest.version}: the right LLM inference engine for this machine, model and workload

Usage: hyperllama COMMAND [options]

${commands.map(({ name, usage, summary }) => `  ${words(name, usage).padEnd(width)}${summary}`).join('\n')}

  --json        one JSON object on stdout, for every command
  --quiet       the answer only
  --verbose     say what is done and why
  --version     the version
  --help        this text, or the help of a command

  hyperllama help exit-codes   what the exit codes mean

Try: hyperllama generate smollm2:135m "Why is the sky blue?"
`;

const meanings: Readonly<Record<string, string>> = {
  '0': 'all went well',
  '1': 'the machine, the model or the request stood in the way',
  '2': 'the command was used wrongly, or a configuration file is wrong',
  '3': 'it does not fit: no engine can serve this model on this machine',
  '5': 'the model was not found',
  '6': 'the engine: not installed, did not start, or ended',
  '7': 'the network is needed and cannot be reached',
  '70': 'a bug in HyperLlama',
  '130': 'cancelled by Ctrl-C',
};
const codesOf = (exit: string): string =>
  Object.entries(ERRORS)
    .filter(([, row]) => String(row.exitCode) === exit)
    .map(([code]) => code)
    .join(' ');
const exitCodes = `Exit codes\n\n${Object.entries(meanings)
  .map(([exit, meaning]) => {
    const codes = codesOf(exit);
    return `  ${exit.padStart(3)}  ${meaning}${codes === '' ? '' : `\n       ${codes}`}`;
  })
  .join('\n')}\n`;

const quote = (text: string): string =>
  `[\n${text
    .split('\n')
    .slice(0, -1)
    .map((line) => `  ${JSON.stringify(line)},`)
    .join('\n')}\n  '',\n].join('\\n')`;
const source = `/** Made by \`npm run gen\` from the commands and the error table; not edited by hand. */

export const VERSION: string = ${JSON.stringify(manifest.version)};

export const COMMANDS: readonly {
  readonly name: string;
  readonly aliases: readonly string[];
}[] = ${JSON.stringify(
  commands.map(({ name, aliases }) => ({ name, aliases })),
  null,
  2,
)};

export const HELP: string = ${quote(help)};

export const EXIT_CODES: string = ${quote(exitCodes)};
`;

const { execFileSync } = await import('node:child_process');
const formatter = new URL('../node_modules/.bin/oxfmt', import.meta.url).pathname;
const formatted = execFileSync(formatter, ['--stdin-filepath', 'help.gen.ts'], {
  input: source,
  encoding: 'utf8',
});
const current = (() => {
  try {
    return readFileSync(target, 'utf8');
  } catch {
    return '';
  }
})();
if (process.argv.includes('--check')) process.exitCode = current === formatted ? 0 : 1;
else if (current !== formatted) writeFileSync(target, formatted);
