/** Help and version: what a person reads first, and what scripts ask for. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/commands/help.gen.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { cli, transcript } from './transcript.ts';

let home: TemporaryHome;
beforeAll(() => {
  home = temporaryHome();
});
afterAll(() => home[Symbol.dispose]());

const show = async (...args: readonly string[]): Promise<string> =>
  transcript(await cli(args, { home: home.path }), home.path);

/** Groups whose subcommands have a help of their own. */
const SUBCOMMANDS = ['list', 'install', 'verify', 'update', 'rollback', 'remove'].map(
  (name) => `engines ${name}`,
);

describe('help', () => {
  it('lists the commands', async () => {
    expect(await show('--help')).toMatchSnapshot();
  });

  it('is the same text however it is asked for', async () => {
    const text = await show('--help');
    expect(await show('-h')).toBe(text);
    expect(await show('help')).toBe(text);
  });

  it.each([...COMMANDS.map(({ name }) => name), 'config list', ...SUBCOMMANDS])(
    'of %s shows how it is used, every option with a description',
    async (name) => {
      const text = await show(...name.split(' '), '--help');
      expect(text).toMatchSnapshot();
      expect(text).toMatch(/^exit 0\n--- stdout\nUsage: hyperllama /);
      expect(text).not.toMatch(/^ {2}-[^ ]*$/m);
    },
  );

  it('of a command is the same by `help COMMAND`, by alias and by `-h`', async () => {
    const text = await show('generate', '--help');
    expect(await show('help', 'generate')).toBe(text);
    expect(await show('run', '-h')).toBe(text);
  });

  it('explains every exit code, with the errors behind it', async () => {
    expect(await show('help', 'exit-codes')).toMatchSnapshot();
  });

  it('of a command that does not exist names the one that was meant', async () => {
    expect(await show('help', 'genrate')).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: there is no command \`genrate\`

      hint: did you mean \`hyperllama generate\`?"
    `);
  });
});

describe('--version', () => {
  it('prints the version of the package and nothing else', async () => {
    const manifest = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    const result = await cli(['--version'], { home: home.path });
    expect([result.code, result.stdout, result.stderr]).toEqual([0, `${manifest.version}\n`, '']);
    expect((await cli(['-V'], { home: home.path })).stdout).toBe(result.stdout);
  });
});
