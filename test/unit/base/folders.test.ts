/** Can files be kept in this folder? */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import { makeFolder } from '../../../src/base/folders.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

async function complaint(folder: string): Promise<string> {
  const thrown: unknown = await makeFolder(folder).catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  return `${thrown.code} ${thrown.message.replaceAll(home.path, '~')}`;
}

describe('makeFolder', () => {
  it('makes all of the path, 0700, and takes one that is there', async () => {
    const folder = join(home.path, 'a', 'b');
    await makeFolder(folder);
    await makeFolder(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(home.path, 'a')).mode & 0o777).toBe(0o700);
  });

  it('names the file that stands where a folder should be', async () => {
    writeFileSync(join(home.path, 'file'), '');
    const words = 'HL_STATE_UNWRITABLE `~/file` cannot be written: it is not a folder';
    expect(await complaint(join(home.path, 'file'))).toBe(words);
    expect(await complaint(join(home.path, 'file', 'a', 'b'))).toBe(words);
  });

  it('names the kernel’s own folders as what they are: nothing can be made there', async () => {
    expect(await complaint('/proc/hyperllama/a')).toMatch(
      /^HL_STATE_UNWRITABLE `\/proc[^`]*` cannot be written: /,
    );
  });
});
