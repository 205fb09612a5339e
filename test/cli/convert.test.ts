/** `convert` with a stand-in for the converter: which file is taken, and what is left alone. */
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { cli } from './transcript.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const COMMIT = 'c'.repeat(40);
/** Answers `describe`, and makes an empty folder of weights for `convert`. */
const STAND_IN = `#!/bin/sh
[ "$2" = describe ] && exit 0
for last; do :; done
mkdir "$last" && touch "$last/config.json" "$last/model.safetensors"
`;

function installConverter(): void {
  const python = join(home.path, 'data/tools/convert/0.19.0/bin/python');
  mkdirSync(dirname(python), { recursive: true });
  writeFileSync(python, STAND_IN);
  chmodSync(python, 0o755);
  writeFileSync(join(python, '../../hyperllama-environment.json'), '{}');
}

async function convert(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const env = { HF_HUB_CACHE: join(home.path, 'hub') };
  const { stdout } = await cli(['convert', ...args, '--json'], { home: home.path, env });
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
}

describe('convert', () => {
  it('names the file it took, and leaves alone what lies beside a path of the user', async () => {
    installConverter();
    const source = join(home.path, 'tiny.gguf');
    writeTinyGguf(source);
    const folder = join(home.path, 'own');
    mkdirSync(join(folder, 'model.staging-photos'), { recursive: true });
    const path = join(folder, 'model');
    expect(await convert(source, '--out', path)).toMatchObject({ source, path, was: 'new' });
    expect(readdirSync(folder).sort()).toEqual(['model', 'model.staging-photos']);
    expect(existsSync(join(path, 'model.safetensors'))).toBe(true);
  });

  it('refuses a path where a link leads nowhere', async () => {
    const source = join(home.path, 'tiny.gguf');
    writeTinyGguf(source);
    const path = join(home.path, 'link');
    symlinkSync('nowhere', path);
    expect(await convert(source, '--out', path)).toMatchObject({
      error: { code: 'HL_OPTION_INVALID', details: { option: '--out' } },
    });
  });

  it('asks for a variant where a cached repository has several GGUF files', async () => {
    installConverter();
    const repo = join(home.path, 'hub/models--org--Tiny-GGUF');
    const snapshot = join(repo, 'snapshots', COMMIT);
    for (const name of ['Tiny-F32.gguf', 'Tiny-UD-F32.gguf']) writeTinyGguf(join(snapshot, name));
    mkdirSync(join(repo, 'refs'));
    writeFileSync(join(repo, 'refs/main'), COMMIT);
    const refused = await convert('org/Tiny-GGUF', '--out', join(home.path, 'out'));
    expect(refused).toMatchObject({ error: { code: 'HL_OPTION_INVALID' } });
    expect(JSON.stringify(refused)).toMatch(/Tiny-F32\.gguf.*Tiny-UD-F32\.gguf/);
    const made = await convert('org/Tiny-GGUF:F32', '--out', join(home.path, 'out'));
    expect(made).toMatchObject({ source: join(snapshot, 'Tiny-F32.gguf') });
  });
});
