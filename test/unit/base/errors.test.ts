/** The error table and how errors travel: words, exit codes, hints, and what becomes of strangers. */
import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode, type ErrorParams } from '../../../src/base/error-table.ts';
import { errnoOf, fail, HyperLlamaError, toHyperLlamaError } from '../../../src/base/errors.ts';

/** One believable set of values for each code; the compiler asks for a new one with each new row. */
const SAMPLES: { readonly [C in ErrorCode]: ErrorParams[C] } = {
  HL_OPTION_INVALID: { option: '--seed', value: 'x', expected: 'a whole number' },
  HL_USAGE: { problem: 'unknown option `--sed`', command: 'generate' },
  HL_COMMAND_UNKNOWN: { command: 'generat', nearest: ['generate'] },
  HL_CONFIG_INVALID: { file: '/c.yaml', problem: '`device`: expected cpu' },
  HL_NODES_INVALID: { file: '/n.yaml', problems: ['`nodes` is empty'] },
  HL_NODES_UNUSABLE: {
    nodes: 3,
    unusable: [{ name: 'a', address: '10.0.0.1:80', because: 'no answer within 3 s' }],
  },
  HL_PYTHON_MISSING: { tried: ['`python3`'], needed: '3.10' },
  HL_PYTHON_TOO_OLD: { python: 'python3', version: '3.8.1', needed: '3.10' },
  HL_PYTHON_TOO_NEW: { python: 'python3', version: '3.13.1', needed: '3.11', newest: '3.12' },
  HL_DISK_FULL: { path: '/data', bytesNeeded: 2 ** 30, bytesFree: 2 ** 20 },
  HL_STATE_UNWRITABLE: { path: '/data', problem: 'permission denied' },
  HL_MODEL_NOT_FOUND: { ref: 'smolm', nearest: ['smollm2:135m'] },
  HL_MODEL_NOT_LOCAL: { ref: 'org/name', looked: '/cache' },
  HL_MODEL_FORMAT_UNSUPPORTED: { path: '/m.bin', because: 'it is a pickle' },
  HL_MODEL_CORRUPT: { path: '/m.gguf', because: 'it ends early' },
  HL_DOWNLOAD_FAILED: { what: 'm', because: 'the server answered 500' },
  HL_CONVERSION_FAILED: { what: 'm.gguf', because: 'it printed nothing' },
  HL_NO_ENGINE_FITS: {
    model: 'm',
    refusals: [{ engine: 'E', reasons: [{ code: 'no-gpu', because: 'no GPU', hint: 'add one' }] }],
  },
  HL_PLACE_NEEDED: { held: ['n on E (0123abcd, 2 GiB)'], keys: ['0123abcd'] },
  HL_ENGINE_UNKNOWN: { engine: 'lama', known: ['llama-cpp'], nearest: ['llama-cpp'] },
  HL_ENGINE_NOT_DRIVEN: { engine: 'E', alternative: 'F' },
  HL_ENGINE_NOT_INSTALLED: { engine: 'E', id: 'e', because: 'there is no environment of it' },
  HL_CONSENT_NEEDED: { engine: 'E', id: 'e', bytesDownload: 1e9, bytesOnDisk: 3e9 },
  HL_ENGINE_INSTALL_FAILED: { engine: 'E', id: 'e', because: 'pip said no' },
  HL_ENGINE_GPU_BUILD_MISSING: {
    engine: 'E',
    accelerator: 'RTX',
    because: 'no index',
    program: 'engines.e.server',
  },
  HL_ENGINE_UNUSABLE: {
    engine: 'E',
    recipe: 'cuda',
    reasons: [{ because: 'needs driver 580', hint: 'update the driver' }],
  },
  HL_ENGINE_UPDATE_REFUSED: { engine: 'E', id: 'e', from: '1.0', to: '1.1', because: 'no token' },
  HL_ENGINE_NO_PREVIOUS: { engine: 'E', id: 'e', version: '1.0' },
  HL_ENGINE_IN_USE: { engine: 'E', id: 'e', sessions: ['0123abcd (m)'] },
  HL_ENGINE_START_TIMEOUT: { engine: 'E', phase: 'load', durationMs: 61_000, limit: 'too long' },
  HL_ENGINE_EXITED: { engine: 'E', how: 'exit code 1', phase: 'load' },
  HL_ENGINE_OUT_OF_MEMORY: { engine: 'E', how: 'killed by the kernel', phase: 'generate' },
  HL_ENGINE_PORT_BUSY: { engine: 'E', attempts: 5, because: 'each was taken' },
  HL_ENGINE_UNRESPONSIVE: { engine: 'E', what: 'in mid-answer', durationMs: 120_000 },
  HL_ENGINE_PROTOCOL: { engine: 'E', because: 'not JSON' },
  HL_SERVER_UNREACHABLE: { engine: 'mine', url: 'http://h:1', because: 'connection refused' },
  HL_SERVER_UNAUTHORIZED: { engine: 'mine', url: 'http://h:1', status: 401, variable: 'KEY' },
  HL_SERVER_MODEL_UNKNOWN: { engine: 'mine', url: 'http://h:1', model: 'x', has: ['a', 'b'] },
  HL_SESSION_NOT_FOUND: { session: 'abc', running: ['0123abcd'] },
  HL_REQUEST_INVALID: { because: 'E: no messages' },
  HL_CONTEXT_EXCEEDED: { promptTokens: 6031, contextTokens: 2048 },
  HL_CANCELLED: { phase: 'load' },
  HL_OFFLINE: { what: 'E', because: 'the name does not resolve' },
  HL_INTERNAL: { because: 'no such function', log: '/log' },
};

const CODES = Object.keys(ERRORS) as ErrorCode[];

/** Exit codes by family, as `help exit-codes` lists them. */
const EXIT_CODES: Readonly<Record<string, readonly number[]>> = {
  usage: [2],
  machine: [1, 3],
  model: [1, 4, 5],
  decision: [3],
  engine: [6],
  request: [1, 130],
  network: [7],
  bench: [8],
  bug: [70],
};

describe('the error table', () => {
  it.each(CODES)('%s says what happened and what to do, in the house style', (code) => {
    const error = new HyperLlamaError(code, SAMPLES[code]);
    for (const text of [error.message, error.hint ?? '']) {
      expect(text).not.toMatch(/undefined|NaN|\[object|null/);
      expect(text).not.toMatch(/please|oops|invalid input|something went wrong/i);
      expect(text).not.toMatch(/[.!]$/);
    }
    expect(error.message.length).toBeGreaterThan(8);
    expect(EXIT_CODES[error.family]).toContain(error.exitCode);
    expect(error.httpStatus).toBeGreaterThanOrEqual(400);
    expect(error.httpStatus).toBeLessThan(600);
  });

  it.each(CODES)('%s carries the values of its message, as JSON', (code) => {
    const { details } = new HyperLlamaError(code, SAMPLES[code]);
    expect(JSON.parse(JSON.stringify(details))).toEqual(SAMPLES[code]);
  });

  it('names every value it was given: two different ones give two different messages', () => {
    const small = { promptTokens: 6031, contextTokens: 2048 };
    expect(new HyperLlamaError('HL_CONTEXT_EXCEEDED', small).message).toBe(
      'the prompt has 6031 tokens, the context holds 2048',
    );
    expect(new HyperLlamaError('HL_CONTEXT_EXCEEDED', small).hint).toContain('--context 8192');
    const hintFor = (more: object): string | null =>
      new HyperLlamaError('HL_CONTEXT_EXCEEDED', { ...small, ...more }).hint;
    expect(hintFor({ contextTokensMax: 7000 })).toContain('--context 7000');
    for (const more of [
      { contextTokensMax: 6000 },
      { promptTokens: null, contextTokensMax: small.contextTokens },
    ]) {
      expect(hintFor(more)).toContain('longer than the model can read');
      expect(hintFor(more)).not.toContain('--context');
    }
  });

  it('says no number where the disk tells none', () => {
    const params = { path: '/data', bytesNeeded: null, bytesFree: null };
    expect(new HyperLlamaError('HL_DISK_FULL', params).message).toBe('no space left for `/data`');
  });
});

describe('an error', () => {
  it('takes the hint of the caller, who knows a better command, and keeps it out of details', () => {
    const params = { what: 'm', because: 'b', hint: 'run `this`' };
    const error = new HyperLlamaError('HL_DOWNLOAD_FAILED', params);
    expect(error.hint).toBe('run `this`');
    expect(error.details).toEqual({ what: 'm', because: 'b' });
  });

  it('is thrown by fail with its cause and the last lines of the engine', () => {
    const cause = new Error('deeper');
    let thrown: unknown;
    try {
      fail('HL_ENGINE_EXITED', SAMPLES.HL_ENGINE_EXITED, { cause, engineLog: ['E dead'] });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(HyperLlamaError);
    expect(thrown).toMatchObject({ cause, engineLog: ['E dead'], isRetryable: true });
  });
});

describe('a thrown value that is not ours', () => {
  it.each(['ENOSPC', 'EDQUOT'])('%s is a full disk, naming the path', (code) => {
    const error = toHyperLlamaError(systemError(code, '/data/x'));
    expect([error.code, error.details['path']]).toEqual(['HL_DISK_FULL', '/data/x']);
  });

  it.each([
    ['EACCES', 'permission denied'],
    ['EPERM', 'permission denied'],
    ['EROFS', 'the file system is read-only'],
    ['ENOTDIR', 'a part of it is not a folder'],
  ])('%s is a folder that cannot be written, saying %s', (code, problem) => {
    const error = toHyperLlamaError(systemError(code, '/data'));
    expect([error.code, error.details['problem']]).toEqual(['HL_STATE_UNWRITABLE', problem]);
  });

  it('with a permission error of no path is a bug, since no folder can be named', () => {
    expect(toHyperLlamaError(systemError('EPERM')).code).toBe('HL_INTERNAL');
  });

  it.each([[new TypeError('x is not a function')], ['a string'], [undefined]])(
    'is a bug of ours with exit code 70: %s',
    (thrown) => {
      expect(toHyperLlamaError(thrown)).toMatchObject({ code: 'HL_INTERNAL', exitCode: 70 });
    },
  );

  it('of our own class passes unchanged', () => {
    const error = new HyperLlamaError('HL_CANCELLED', { phase: 'load' });
    expect(toHyperLlamaError(error)).toBe(error);
  });

  it('has a system code only where it is text', () => {
    expect(errnoOf(systemError('ENOENT'))).toBe('ENOENT');
    expect(errnoOf(Object.assign(new Error('x'), { code: 7 }))).toBeNull();
    expect(errnoOf('ENOENT')).toBeNull();
    expect(errnoOf(new HyperLlamaError('HL_CANCELLED', { phase: 'load' }))).toBeNull();
  });
});

function systemError(code: string, path?: string): Error {
  return Object.assign(new Error(`${code}: system`), {
    code,
    ...(path === undefined ? {} : { path }),
  });
}
