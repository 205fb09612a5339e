/** Which Python runs the services, among those a PATH has. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from '../../support/property.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import {
  compareVersions,
  findPython,
  type Python,
  type PythonRange,
} from '../../../src/base/python.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

/** A program in `<home>/<folder>` that answers like a Python of `version` and counts its calls. */
function fakePython(version: string, name = 'python3', folder = 'bin'): string {
  const file = join(home.path, folder, name);
  mkdirSync(join(home.path, folder), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho x >> ${file}.calls\necho ${file}\necho ${version}\n`);
  chmodSync(file, 0o755);
  return file;
}

async function find(
  folders = ['bin'],
  asked: string | null = null,
  range?: PythonRange,
): Promise<Python> {
  const path = folders.map((folder) => join(home.path, folder)).join(':');
  const cacheFolder = join(home.path, 'cache');
  return await findPython({ asked, range, cacheFolder, env: { PATH: path } });
}

async function complaint(search: Promise<Python>): Promise<string> {
  const thrown: unknown = await search.catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  return `${thrown.code} ${thrown.message.replaceAll(home.path, '~')}`;
}

describe('findPython', () => {
  it('takes the first on PATH that is new enough, passing over an older one', async () => {
    fakePython('3.8.19', 'python3', 'old');
    const newer = fakePython('3.12.1', 'python3.12', 'new');
    expect(await find(['old', 'new'])).toEqual({ executable: newer, version: '3.12.1' });
  });

  it('names the one that is too old when there is no other', async () => {
    fakePython('3.8.19');
    expect(await complaint(find())).toBe(
      'HL_PYTHON_TOO_OLD `~/bin/python3` is Python 3.8.19, but 3.10 or newer is needed',
    );
  });

  it('passes over one that is newer than the engine has wheels for, the last version included', async () => {
    const range = { pythonMin: '3.11', pythonMax: '3.12' };
    fakePython('3.13.0', 'python3', 'new');
    const fits = fakePython('3.12.9', 'python3.12', 'fits');
    expect((await find(['new', 'fits'], null, range)).executable).toBe(fits);
    expect((await find(['new', 'fits'])).version).toBe('3.13.0');
  });

  it('names the one that is too new, and what is needed, when there is no other', async () => {
    const range = { pythonMin: '3.11', pythonMax: '3.12' };
    fakePython('3.13.0');
    expect(await complaint(find(['bin'], null, range))).toBe(
      'HL_PYTHON_TOO_NEW `~/bin/python3` is Python 3.13.0, but 3.11 to 3.12 is needed',
    );
    expect(await complaint(find(['none'], null, range))).toContain('no Python 3.11 to 3.12 was');
  });

  it('says what it tried when there is none', async () => {
    expect(await complaint(find())).toBe(
      'HL_PYTHON_MISSING no Python 3.10 or newer was found (tried `python3`)',
    );
  });

  it('says so when the one that was asked for does not run, and tries no other', async () => {
    fakePython('3.12.1');
    const broken = join(home.path, 'broken');
    writeFileSync(broken, '#!/bin/sh\nexit 1\n');
    chmodSync(broken, 0o755);
    expect(await complaint(find(['bin'], broken))).toBe(
      'HL_PYTHON_MISSING no Python 3.10 or newer was found (tried `~/broken` (does not run))',
    );
    expect(await complaint(find(['bin'], '/no/such/python'))).toContain('tried `/no/such/python`');
  });

  it('asks once and remembers, until the file changes or another PATH is searched', async () => {
    const file = fakePython('3.11.7');
    const calls = async (): Promise<number> => {
      const { readFileSync } = await import('node:fs');
      return readFileSync(`${file}.calls`, 'utf8').trim().split('\n').length;
    };
    await find();
    await find();
    expect(await calls()).toBe(1);
    await find(['bin', 'other']);
    expect(await calls()).toBe(2);
    rmSync(file);
    fakePython('3.13.0');
    expect((await find(['bin', 'other'])).version).toBe('3.13.0');
  });

  it('finds the real one of this machine, as an absolute path', async () => {
    const { executable, version } = await findPython({
      asked: null,
      cacheFolder: join(home.path, 'cache'),
      env: process.env,
    });
    expect(executable.startsWith('/')).toBe(true);
    expect(compareVersions(version, '3.10')).toBeGreaterThanOrEqual(0);
  });
});

describe('compareVersions', () => {
  it.each([
    ['3.9', '3.10', -1],
    ['3.10', '3.10.0', 0],
    ['3.10.1', '3.10', 1],
    ['2026.10.11549', '2026.9.99999', 1],
    ['1.0.0rc1', '1.0.0', 0],
  ])('%s against %s is %d', (a, b, sign) => {
    expect(Math.sign(compareVersions(a, b))).toBe(sign);
  });

  it('orders any two lists of numbers as numbers, not as text', () => {
    const version = fc.array(fc.nat({ max: 99_999 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(version, version, (a, b) => {
        const at = a.findIndex((part, index) => part !== b[index]);
        const wanted = at === -1 ? 0 : Math.sign((a[at] ?? 0) - (b[at] ?? 0));
        expect(Math.sign(compareVersions(a.join('.'), b.join('.')))).toBe(wanted);
      }),
    );
  });
});
