/** Where output goes and how it looks: colour, quiet, verbose, configuration and schema mistakes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import { ask } from './asking.ts';
import { cli, transcript } from './transcript.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

const JAPAN = 'What is the capital of Japan?';
const ESCAPE = '\u001B[';

describe('an answer', () => {
  it('is alone on stdout; everything else is on stderr', async () => {
    using home = prepared.trial();
    expect(transcript(await ask(home, { words: [JAPAN] }), home.path)).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      The capital of Japan is Tokyo.

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
       7 tok · SPEED · TTFT TIME · prompt 14 tok · start TIME · ctx 21/4096"
    `);
  });

  it('is alone altogether with --quiet', async () => {
    using home = prepared.trial();
    const result = await ask(home, { words: [JAPAN, '--quiet'] });
    expect(transcript(result, home.path)).toBe(
      'exit 0\n--- stdout\nThe capital of Japan is Tokyo.',
    );
  });

  it('ends before a stop text, and says when the token limit cut it', async () => {
    using home = prepared.trial();
    const stopped = await ask(home, { words: ['count', '--stop', 'four', '--quiet'] });
    expect(stopped.stdout).toBe('one two three \n');
    const cut = await ask(home, { words: ['count', '--max-tokens', '2'] });
    expect(cut.stdout).toBe('one two\n');
    expect(cut.stderr).toContain('cut at the token limit');
  });

  it('says what the engine could not honour', async () => {
    using home = prepared.trial();
    const result = await ask(home, { words: [JAPAN, '--schema', '{"type":"object"}'] });
    expect(result.stderr).toContain('warning: the fake engine knows no schemas');
    expect(result.code).toBe(0);
  });

  it('holds no prompt and no answer in the log of --verbose', async () => {
    using home = prepared.trial();
    const { stderr } = await ask(home, { words: ['CANARY count', '--verbose'] });
    expect(stderr).not.toMatch(/CANARY|one two/);
  });
});

describe('an answer that cannot be written', () => {
  /** Its stdout is a disk without space; only Linux has one to try. */
  const FULL = { prefix: ['/bin/sh', '-c', 'exec "$@" >/dev/full', 'sh'] };

  it.runIf(process.platform === 'linux')('says so, in one line', async () => {
    using home = prepared.trial();
    const because =
      'error: the answer could not be written: ENOSPC: no space left on device, write';
    const answered = await ask(home, { words: ['count', '--quiet'], more: FULL });
    expect([answered.code, answered.stderr]).toEqual([1, `${because}\n`]);
    const listed = await cli(['list'], { home: home.path, ...FULL });
    expect([listed.code, listed.stderr]).toEqual([1, `${because}\n`]);
  });
});

describe('colour', () => {
  const error = ['nonsense'];

  it.each([
    [{ NO_COLOR: '1' }, false],
    [{ NO_COLOR: '' }, false],
    [{ NO_COLOR: '', FORCE_COLOR: '1' }, true],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true],
    [{ NO_COLOR: '', FORCE_COLOR: '0' }, false],
    [{ NO_COLOR: '', TERM: 'dumb' }, false],
  ])('without a terminal and with %j: %s', async (env, isColored) => {
    using home = prepared.trial();
    const result = await cli(error, { home: home.path, env });
    expect(result.stderr.includes(ESCAPE)).toBe(isColored);
    const table = await cli(['config'], { home: home.path, env });
    expect(table.stdout.includes(ESCAPE)).toBe(isColored);
  });

  it('is never in JSON', async () => {
    using home = prepared.trial();
    const result = await cli(['list', '--json'], { home: home.path, env: { FORCE_COLOR: '1' } });
    expect(result.stdout).not.toContain(ESCAPE);
  });
});

describe('progress', () => {
  /** Runs the command on a terminal of its own, whose output is then our stdout. */
  const PTY = [
    'import os, pty, sys',
    'sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))',
  ].join('\n');

  it('without a terminal is a line for each phase that lasts, and moves nothing', async () => {
    using home = prepared.trial();
    const result = await ask(home, { words: [JAPAN], faults: ['slow-load=1'] });
    expect(result.stderr).toMatch(/^ load load$/m);
    expect(result.stderr).not.toContain('\r');
    expect(result.stderr).not.toContain(ESCAPE);
  });

  const onTerminal = async (columns: number, home: TrialHome): Promise<string> => {
    const stty = ['/bin/sh', '-c', `stty cols ${columns} rows 24; exec "$@"`, 'sh'];
    const { stdout, code } = await ask(home, {
      words: [JAPAN],
      faults: ['slow-load=1'],
      more: {
        prefix: ['python3', '-c', PTY, ...stty],
        env: { NO_COLOR: '', TERM: 'xterm' },
        input: '',
      },
    });
    expect(code).toBe(0);
    expect(stdout).toContain('The capital of Japan is Tokyo.');
    return stdout;
  };

  it('on a terminal is one line that is taken back, in colour', async () => {
    using home = prepared.trial();
    const text = await onTerminal(100, home);
    expect(text).toContain(`${ESCAPE}2m`);
    expect(text).toMatch(/load \[[█░]{20}\] \d+ %/);
  });

  it('on a terminal that does not know its width is as without one', async () => {
    using home = prepared.trial();
    expect(await onTerminal(0, home)).toMatch(/^ load load\r$/m);
  });
});

describe('a mistake', () => {
  it('in the configuration file stops every command, naming file and key', async () => {
    using home = prepared.trial();
    mkdirSync(join(home.path, 'config'));
    writeFileSync(join(home.path, 'config', 'config.yaml'), 'devise: cpu\n');
    const result = await cli(['list'], { home: home.path });
    expect(transcript(result, home.path)).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: configuration \`~/config/config.yaml\`: there is no setting \`devise\`; did you mean \`device\`?

      hint: correct it there, or remove it to get the default"
    `);
  });

  it('in its YAML is told once', async () => {
    using home = prepared.trial();
    mkdirSync(join(home.path, 'config'));
    writeFileSync(join(home.path, 'config', 'config.yaml'), 'device: [cpu\n');
    const { code, stderr } = await cli(['list'], { home: home.path });
    expect([code, stderr.match(/at line/g)?.length]).toEqual([2, 1]);
    expect(stderr).not.toContain('caused by');
  });

  it('in the configuration leaves a warm engine to `ps` and `stop`', async () => {
    using home = prepared.trial();
    expect((await ask(home, { words: ['count', '--keep-alive', '10m'] })).code).toBe(0);
    mkdirSync(join(home.path, 'config'), { recursive: true });
    writeFileSync(join(home.path, 'config', 'config.yaml'), 'devise: cpu\n');
    const ps = await cli(['ps'], { home: home.path });
    expect([ps.code, ps.stdout, ps.stderr]).toEqual([
      0,
      expect.stringContaining('ready'),
      expect.stringContaining('there is no setting `devise`'),
    ]);
    const stop = await cli(['stop', '--all'], { home: home.path });
    expect([stop.code, stop.stdout]).toEqual([0, expect.stringContaining('stopped')]);
  });

  it.each([
    'a: [b\n',
    'devise: cpu\n',
    'engines: {custom: {mine: {command: [mine], formats: [gguf]}}}\n',
    'engines: {custom: {vllm: {url: "http://127.0.0.1:9"}}}\n',
  ])('in the configuration is a finding of `doctor`, which goes on: %j', async (text) => {
    using home = prepared.trial();
    mkdirSync(join(home.path, 'config'), { recursive: true });
    writeFileSync(join(home.path, 'config', 'config.yaml'), text);
    const { code, stdout } = await cli(['doctor', '--json'], { home: home.path });
    const { findings } = JSON.parse(stdout) as { findings: { code: string; hint: string }[] };
    expect(code).toBe(1);
    expect(findings.filter(({ code }) => code === 'config')).toMatchObject([
      { level: 'bad', because: expect.stringContaining('config.yaml'), hint: expect.any(String) },
    ]);
    expect(findings.map(({ code }) => code)).toContain('sessions');
    const isCustom = text.includes('mine');
    const { hint } = findings.find(({ code }) => code === 'config') ?? { hint: '' };
    expect(hint.includes('docs/custom-engines.md')).toBe(isCustom);
  });

  it('in a variable names the variable', async () => {
    using home = prepared.trial();
    const result = await cli(['list'], { home: home.path, env: { HYPERLLAMA_DEVICE: 'tpu' } });
    expect(transcript(result, home.path)).toMatchInlineSnapshot(`
      "exit 2
      --- stderr
      error: configuration \`HYPERLLAMA_DEVICE\`: \`device\`: got \`tpu\`, expected one of \`auto\`, \`cpu\`, \`gpu\`

      hint: correct it there, or remove it to get the default"
    `);
  });

  it.each(['{"type":', '[1]', 'no-such-file.json', '"text"'])(
    'in a schema is found before anything is installed or started: %s',
    async (schema) => {
      using home = prepared.trial();
      const words = ['generate', 'smollm2:135m', 'hi', '--schema', schema];
      const result = await cli(words, { home: home.path });
      expect(transcript(result, home.path)).toContain(
        `exit 2\n--- stderr\nerror: \`--schema\` got \`${schema}\`, expected a JSON schema`,
      );
    },
  );
});
