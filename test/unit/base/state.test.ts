/** Small facts on the disk: whole or not there, and readable by us alone. */
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readState, writeCache, writeState } from '../../../src/base/state.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

describe('writeState', () => {
  it('makes its folder 0700 and its file 0600', async () => {
    const file = join(home.path, 'new', 'a.json');
    await writeState(file, { a: 1 });
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect((statSync(join(home.path, 'new')).mode & 0o777).toString(8)).toBe('700');
    expect(await readState(file)).toEqual({ a: 1 });
  });

  it('leaves one whole value and no temporary file when forty write at once', async () => {
    const file = join(home.path, 'a.json');
    const values = Array.from({ length: 40 }, (_, n) => ({ n, filler: 'x'.repeat(5000) }));
    await Promise.all(values.map((value) => writeState(file, value)));
    expect(values).toContainEqual(await readState(file));
    expect(readdirSync(home.path)).toEqual(['a.json']);
  });

  it('keeps the old value and no temporary file when the new one cannot be written', async () => {
    const file = join(home.path, 'a.json');
    await writeState(file, { a: 1 });
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    await expect(writeState(file, loop)).rejects.toThrow('circular');
    expect(await readState(file)).toEqual({ a: 1 });
    expect(readdirSync(home.path)).toEqual(['a.json']);
  });

  it('says which path is in the way when the folder is a file', async () => {
    const file = join(home.path, 'file');
    writeFileSync(file, '');
    await expect(writeState(join(file, 'a.json'), 1)).rejects.toThrow(file);
  });
});

describe('readState', () => {
  it('is null where there is nothing, or where a parent is a file', async () => {
    writeFileSync(join(home.path, 'file'), '');
    expect(await readState(join(home.path, 'none.json'))).toBeNull();
    expect(await readState(join(home.path, 'file', 'a.json'))).toBeNull();
  });

  it.each(['', '{"half": ', '\0\0\0'])('is null for text that is not JSON: %j', async (text) => {
    const file = join(home.path, 'a.json');
    writeFileSync(file, text);
    expect(await readState(file)).toBeNull();
  });

  it('throws for a folder in the place of the file, which is no absence', async () => {
    await expect(readState(home.path)).rejects.toThrow('EISDIR');
  });
});

describe('writeCache', () => {
  it('is silent where nothing can be written', async () => {
    const file = join(home.path, 'file');
    writeFileSync(file, 'kept');
    chmodSync(file, 0o400);
    await writeCache(join(file, 'a.json'), 1);
    expect(readFileSync(file, 'utf8')).toBe('kept');
  });
});
