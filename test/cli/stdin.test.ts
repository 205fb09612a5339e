/** What is the prompt: words, stdin, both or neither, and stdin of every kind a shell makes. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI_FILE, cliEnvironment, runCli, type CliResult } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { preparedHome, type PreparedHome } from '../support/prepared-home.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { ask } from './asking.ts';
import { CLI_DEADLINE_MS, transcript } from './transcript.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

/** The fake engine counts the words of a prompt and adds these for the template. */
const TEMPLATE_TOKENS = 8;

/** How many words the engine got, or what was said instead. */
async function wordsOf(
  words: readonly string[],
  input?: string,
  prefix: readonly string[] = [],
): Promise<number | string> {
  using home = prepared.trial();
  const more = { prefix, ...(input === undefined ? {} : { input }) };
  const result = await ask(home, { words: [...words, '--max-tokens', '1', '--json'], more });
  return count(result);
}

function count(result: CliResult): number | string {
  const answer = JSON.parse(result.stdout) as {
    usage?: { promptTokens: number };
    error?: { message: string };
  };
  const tokens = answer.usage?.promptTokens;
  return tokens === undefined ? (answer.error?.message ?? '') : tokens - TEMPLATE_TOKENS;
}

const shell = (redirection: string): readonly string[] => [
  '/bin/sh',
  '-c',
  `exec "$@" ${redirection}`,
  'sh',
];

describe('the prompt', () => {
  it('is the words of the command line, quoted or not', async () => {
    expect(await wordsOf(['one two', 'three'])).toBe(3);
  });

  it('is what stdin holds, for `-` and where there are no words', async () => {
    expect(await wordsOf(['-'], 'a b c d\n')).toBe(4);
    expect(await wordsOf([], 'a b c d\n')).toBe(4);
  });

  it('is stdin before the words where there are both', async () => {
    using home = prepared.trial();
    const result = await ask(home, {
      words: ['Japan?', '--quiet'],
      more: { input: 'What is the capital of\n' },
    });
    expect(await wordsOf(['five', 'six'], 'one two\nthree four')).toBe(6);
    expect(result.code).toBe(0);
  });

  it('is stdin from a file', async () => {
    using home = prepared.trial();
    const file = join(home.path, 'prompt.txt');
    writeFileSync(file, 'x '.repeat(1000));
    expect(await wordsOf(['-'], undefined, shell(`< ${file}`))).toBe(1000);
  });

  it('of several megabytes arrives whole', async () => {
    expect(await wordsOf(['-'], 'word '.repeat(1_000_000))).toBe(1_000_000);
  });

  it('of many scripts arrives whole, cut by the pipe anywhere', async () => {
    expect(await wordsOf(['-'], '日本語 é 🗼 '.repeat(50_000))).toBe(150_000);
  });

  it('is missing where stdin is empty, /dev/null, closed or blank', async () => {
    const missing = 'there is no prompt: give one as an argument or on stdin';
    expect(await wordsOf([], '')).toBe(missing);
    expect(await wordsOf([], ' \n\n')).toBe(missing);
    expect(await wordsOf([], undefined, shell('< /dev/null'))).toBe(missing);
    expect(await wordsOf([], undefined, shell('<&-'))).toBe(missing);
    expect(await wordsOf(['-'], undefined, shell('<&-'))).toBe(missing);
  });

  it('of words needs no stdin: closed or /dev/null do', async () => {
    expect(await wordsOf(['one'], undefined, shell('<&-'))).toBe(1);
    expect(await wordsOf(['one'], undefined, shell('< /dev/null'))).toBe(1);
  });

  it('of words does not wait for a socket that never ends, as programs leave one', async () => {
    using home = prepared.trial();
    const args = [
      'generate',
      home.model,
      'one two',
      '--engine',
      'fake',
      '--max-tokens',
      '1',
      '--json',
    ];
    const child = spawn(process.execPath, [CLI_FILE, ...args], {
      env: cliEnvironment({ home: home.path, deadlineMs: CLI_DEADLINE_MS }),
      // A pipe of Node is a socket pair; its other end stays open and silent.
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
    await new Promise((resolve) => {
      child.once('close', resolve);
    });
    expect(JSON.parse(stdout)).toMatchObject({ usage: { promptTokens: 2 + TEMPLATE_TOKENS } });
  });

  /** Gives the program a terminal of its own, on which stdin is typed; its stdout stays ours. */
  const TYPED = [
    'import os, pty, sys',
    'out, typed = os.dup(1), sys.stdin.buffer.read()',
    'pid, terminal = pty.fork()',
    'if pid == 0:',
    '    os.dup2(out, 1)',
    '    os.execvp(sys.argv[1], sys.argv[1:])',
    'os.write(terminal, typed)',
    'try:',
    '    while os.read(terminal, 4096): pass',
    'except OSError: pass',
    'sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))',
  ].join('\n');
  const onTerminal = ['python3', '-c', TYPED];

  it('is what is typed on a terminal until Ctrl-D, for `-` alone', async () => {
    expect(await wordsOf(['-'], 'a b\nc\n\u0004', onTerminal)).toBe(3);
    expect(await wordsOf(['one'], 'a b\n\u0004', onTerminal)).toBe(1);
    const missing = 'there is no prompt: give one as an argument or on stdin';
    expect(await wordsOf([], 'a b\n\u0004', onTerminal)).toBe(missing);
    expect(await wordsOf(['-'], '\u0004', onTerminal)).toBe(missing);
  });

  it('typed on a terminal leaves it to the question that comes after', async () => {
    using home = temporaryHome();
    const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
    const args = ['generate', model, '-', '--engine', 'fake', '--max-tokens', '1', '--json'];
    const result = await runCli(args, {
      home: home.path,
      deadlineMs: CLI_DEADLINE_MS,
      input: 'a b\n\u0004n\n',
      prefix: onTerminal,
    });
    expect(JSON.parse(result.stdout)).toMatchObject({ error: { code: 'HL_CONSENT_NEEDED' } });
  });

  it('missing is told as a mistake in the use', async () => {
    using home = prepared.trial();
    expect(transcript(await ask(home, { words: [] }), home.path)).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no prompt: give one as an argument or on stdin

      hint: run \`hyperllama generate --help\` to see how it is used"
    `);
  });
});
