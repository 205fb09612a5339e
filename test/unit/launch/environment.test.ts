/** Which of the environments on the disk count, and which one of several versions is started. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolvePaths, type Paths } from '../../../src/base/paths.ts';
import {
  environmentsInUse,
  installedEnvironments,
  removeEnvironment,
  useEnvironment,
  type InstalledEnvironment,
} from '../../../src/launch/environment.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';

let home: TemporaryHome;
let paths: Paths;
beforeEach(() => {
  home = temporaryHome();
  paths = resolvePaths({ HYPERLLAMA_HOME: home.path });
});
afterEach(() => home[Symbol.dispose]());

const place = (name: string): string => join(paths.data, 'engines', 'e', name);

/** As the installer leaves it: `1.0.0-cpu`. */
function put(name: string): void {
  const [version = '', recipe = ''] = name.split('-');
  mkdirSync(place(name), { recursive: true });
  const marker = { version, recipe, build: 'e', devices: ['cpu'], bytesOnDisk: 1 };
  writeFileSync(join(place(name), 'hyperllama-environment.json'), JSON.stringify(marker));
}

const names = (list: readonly { version: string; recipe: string | null }[]): readonly string[] =>
  list.map(({ version, recipe }) => `${version}-${recipe}`);
const inUse = async (): Promise<readonly string[]> => names(await environmentsInUse(paths, 'e'));

describe('an environment', () => {
  it('without its marker, or in a staging folder, does not exist', async () => {
    mkdirSync(join(place('1.0.0-cpu'), 'bin'), { recursive: true });
    put('1.1.0-cpu.staging-4711');
    writeFileSync(place('1.0.0-cpu.lock'), '');
    expect(await installedEnvironments(paths, 'e')).toEqual([]);
    expect(await inUse()).toEqual([]);
  });

  it('whose marker was cut short does not exist', async () => {
    put('1.0.0-cpu');
    const marker = join(place('1.0.0-cpu'), 'hyperllama-environment.json');
    writeFileSync(marker, readFileSync(marker, 'utf8').slice(0, 20));
    expect(await inUse()).toEqual([]);
  });
});

describe('of several versions', () => {
  it('the newest is in use, by number and not by letters, one of each recipe', async () => {
    for (const name of ['1.9.0-cpu', '1.10.0-cpu', '1.2.0-cuda']) put(name);
    expect(await inUse()).toEqual(['1.10.0-cpu', '1.2.0-cuda']);
  });

  it('the chosen one is in use, and the other recipe is left alone', async () => {
    for (const name of ['1.0.0-cpu', '1.1.0-cpu', '1.0.0-cuda', '1.1.0-cuda']) put(name);
    await useEnvironment(paths, 'e', await environment('1.0.0-cpu'));
    expect(await inUse()).toEqual(['1.1.0-cuda', '1.0.0-cpu']);
    await useEnvironment(paths, 'e', await environment('1.0.0-cuda'));
    expect((await inUse()).toSorted()).toEqual(['1.0.0-cpu', '1.0.0-cuda']);
    await useEnvironment(paths, 'e', await environment('1.1.0-cpu'));
    expect(await inUse()).toEqual(['1.1.0-cpu', '1.0.0-cuda']);
  });

  it('the newest is in use again when the chosen one was removed', async () => {
    for (const name of ['1.0.0-cpu', '1.1.0-cpu']) put(name);
    const old = await environment('1.0.0-cpu');
    await useEnvironment(paths, 'e', old);
    await removeEnvironment(old);
    expect(await inUse()).toEqual(['1.1.0-cpu']);
  });

  it.each(['', '[]', '"1.0.0-cpu"', '{"cpu": 7}', '{"cpu": "../../other"}'])(
    'a choice that reads %j is none',
    async (text) => {
      for (const name of ['1.0.0-cpu', '1.1.0-cpu']) put(name);
      writeFileSync(place('in-use.json'), text);
      expect(await inUse()).toEqual(['1.1.0-cpu']);
      rmSync(place('in-use.json'));
    },
  );
});

async function environment(name: string): Promise<InstalledEnvironment> {
  const all = await installedEnvironments(paths, 'e');
  const found = all.find(({ version, recipe }) => `${version}-${recipe}` === name);
  if (found === undefined) throw new Error(`${name} is not there`);
  return found;
}
