/** What `engines` says of what is installed beside the engines. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { cli } from './transcript.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

/** As the installer leaves it. */
function put(place: string, version: string): string {
  const folder = join(home.path, 'data', place);
  mkdirSync(folder, { recursive: true });
  const marker = { version, recipe: 'cpu', build: 'b', devices: ['cpu'], bytesOnDisk: 1024 * 1024 };
  writeFileSync(join(folder, 'hyperllama-environment.json'), JSON.stringify(marker));
  return folder;
}

const run = async (...args: readonly string[]): Promise<string> =>
  (await cli(args, { home: home.path })).stdout;

describe('what is installed beside the engines', () => {
  it('is listed with its size, and with the command that removes it', async () => {
    put('engines/smg/1.13.0-cpu', '1.13.0');
    const converter = put('tools/convert/0.19.0', '0.19.0');
    const lines = (await run('engines')).split('\n').filter((line) => line.startsWith('also'));
    expect(lines).toEqual([
      'also installed: smg 1.13.0 (1 MiB), front of `deploy --target smg`; `hyperllama engines remove smg` removes it',
      `also installed: converter 0.19.0 (1 MiB), writes the weights of GGUF files in other formats; in \`${converter}\``,
    ]);
    expect(await run('engines', 'remove', 'smg')).toContain('1 MiB freed');
    expect(await run('engines')).not.toContain('smg');
  });

  it('is an array of its own in JSON, empty where there is nothing', async () => {
    expect(JSON.parse(await run('engines', '--json'))).toMatchObject({ others: [] });
    const path = put('engines/smg/1.13.0-cpu', '1.13.0');
    const { others } = JSON.parse(await run('engines', '--json')) as { others: unknown };
    expect(others).toEqual([
      {
        id: 'smg',
        name: 'smg',
        version: '1.13.0',
        bytesOnDisk: 1024 * 1024,
        path,
        purpose: 'front of `deploy --target smg`',
      },
    ]);
  });
});
