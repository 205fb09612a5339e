/** How an error and a table look. */
import * as fc from '../../support/property.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import {
  createOutput,
  createStyle,
  errorJson,
  formatError,
  progressBar,
} from '../../../src/base/output.ts';

const plain = createStyle(false);

describe('formatError', () => {
  it('prints message, causes, the last lines of the engine, a blank line and the hint', () => {
    const cause = new Error('outer', { cause: new Error('inner') });
    const params = { engine: 'E', how: 'exit code 1', phase: 'load' };
    const error = new HyperLlamaError('HL_ENGINE_EXITED', params, {
      cause,
      engineLog: ['I loading', 'E no memory'],
    });
    expect(formatError(error, plain)).toMatchInlineSnapshot(`
      "error: E ended in phase \`load\`: exit code 1
        caused by: outer
        caused by: inner
        | I loading
        | E no memory

      hint: look at the log lines above; running the command again starts a new engine
      "
    `);
  });

  it('does not say the same twice when the cause is what the message says', () => {
    const cause = new Error('x is not a function');
    const params = { because: cause.message, log: null };
    const text = formatError(new HyperLlamaError('HL_INTERNAL', params, { cause }), plain);
    expect(text.split('x is not a function')).toHaveLength(2);
  });

  it('ends when a cause is its own cause', () => {
    const cause = new Error('round');
    cause.cause = cause;
    const error = new HyperLlamaError('HL_CANCELLED', { phase: 'load' }, { cause });
    expect(formatError(error, plain).split('\n').length).toBeLessThan(10);
  });
});

describe('errorJson', () => {
  it('holds the facts of the text: code, message, hint, details, exit code', () => {
    const params = { engine: 'E', how: 'exit code 1', phase: 'load' };
    const error = new HyperLlamaError('HL_ENGINE_EXITED', params, { engineLog: ['E dead'] });
    expect(errorJson(error)).toEqual({
      schema: 'hyperllama.error/1',
      error: {
        code: 'HL_ENGINE_EXITED',
        message: error.message,
        hint: error.hint,
        details: { ...params, engineLog: ['E dead'] },
        exitCode: 6,
      },
    });
  });
});

describe('a table', () => {
  const words = { isJson: false, isQuiet: true, isVerbose: false };

  it('keeps within its width, whatever the cells hold', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '-', '.'), maxLength: 150 });
    const row = fc.array(cell, { minLength: 3, maxLength: 3 });
    const output = createOutput(words, { NO_COLOR: '1' });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 4 }), async (rows) => {
        const text = await output.table(['ONE', 'TWO', 'THREE'], rows);
        const widest = Math.max(...text.split('\n').map((line) => line.length));
        expect(widest).toBeLessThanOrEqual(output.width);
      }),
      { numRuns: 60 },
    );
  });

  it('has no trailing blanks and no border', async () => {
    const output = createOutput(words, { NO_COLOR: '1' });
    const text = await output.table(['NAME', 'SIZE'], [['a', '1 MiB']]);
    expect(text).toBe('NAME  SIZE\na     1 MiB\n');
  });
});

describe('colour', () => {
  it.each([
    [{ FORCE_COLOR: '1' }, true],
    [{ FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    [{ FORCE_COLOR: '0' }, false],
    [{ NO_COLOR: '1' }, false],
    [{}, false],
  ])('of text that is no terminal, with %j: %s', (env, wanted) => {
    expect(isColored(env)).toBe(wanted);
  });
});

describe('progress', () => {
  it('draws a bar whose filled part is the fraction, within its ends', () => {
    expect(progressBar(0.48)).toBe('[██████████░░░░░░░░░░] 48 %');
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -2, max: 3 }), (fraction) => {
        expect(progressBar(fraction)).toMatch(/^\[[█░]{20}\] \d+ %$/);
      }),
    );
  });
});

describe('progress without a terminal', () => {
  const written: string[] = [];
  beforeEach(() => {
    vi.useFakeTimers();
    written.length = 0;
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  it('is a line every five seconds that moves, with size, rate and the time left', () => {
    const options = { isJson: false, isQuiet: false, isVerbose: false };
    const progress = createOutput(options, { CI: '1' }).progress();
    progress.phase('download', 'Fake');
    for (let second = 0; second <= 15; second += 1) {
      progress.bytes(second * 2 ** 20, 40 * 2 ** 20);
      vi.advanceTimersByTime(1000);
    }
    progress.stop();
    expect(written).toEqual([
      ' download 0 B of 40 MiB\n',
      ' download 5 MiB of 40 MiB, 1 MiB/s, 35 s left (5.50 s)\n',
      ' download 10 MiB of 40 MiB, 1 MiB/s, 30 s left (10.5 s)\n',
      ' download 15 MiB of 40 MiB, 1 MiB/s, 25 s left (15.5 s)\n',
    ]);
  });

  it('says nothing of a phase that is over at once, and nothing after its end', () => {
    const options = { isJson: false, isQuiet: false, isVerbose: false };
    const progress = createOutput(options, { CI: '1' }).progress();
    progress.phase('download', 'Fake');
    vi.advanceTimersByTime(100);
    progress.phase('install', 'Fake');
    vi.advanceTimersByTime(600);
    progress.stop();
    vi.advanceTimersByTime(60_000);
    expect(written).toEqual([' install Fake\n']);
  });
});

function isColored(env: NodeJS.ProcessEnv): boolean {
  const options = { isJson: false, isQuiet: false, isVerbose: false };
  return createOutput(options, env).style.red('x') !== 'x';
}
