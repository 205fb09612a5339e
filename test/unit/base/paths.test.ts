/** Where files lie, from the environment alone. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolvePaths, servicesFolder, sessionRunFolder } from '../../../src/base/paths.ts';

describe('resolvePaths', () => {
  it('puts everything under HYPERLLAMA_HOME, made absolute', () => {
    const { data, state, cache, config, run } = resolvePaths({ HYPERLLAMA_HOME: 'here' });
    const root = join(process.cwd(), 'here');
    expect([data, state, cache, config, run]).toEqual(
      ['data', 'state', 'cache', 'config', 'run'].map((name) => join(root, name)),
    );
  });

  it('lets HYPERLLAMA_HOME win over every XDG variable', () => {
    const env = { HYPERLLAMA_HOME: '/h', XDG_DATA_HOME: '/d', XDG_RUNTIME_DIR: '/r' };
    expect(Object.values(resolvePaths(env)).every((path) => path.startsWith('/h/'))).toBe(true);
  });

  it('follows the XDG variables where there is no HYPERLLAMA_HOME', () => {
    const env = {
      HYPERLLAMA_HOME: '',
      XDG_DATA_HOME: '/d',
      XDG_STATE_HOME: '/s',
      XDG_CACHE_HOME: '/c',
      XDG_CONFIG_HOME: '/g',
      XDG_RUNTIME_DIR: '/run/user/1',
    };
    expect(resolvePaths(env)).toEqual({
      data: '/d/hyperllama',
      state: '/s/hyperllama',
      cache: '/c/hyperllama',
      config: '/g/hyperllama',
      run: '/run/user/1/hyperllama',
    });
  });

  it('ignores a relative XDG variable, as the XDG specification says', () => {
    expect(resolvePaths({ XDG_DATA_HOME: 'here' }).data).toBe(
      join(homedir(), '.local/share/hyperllama'),
    );
  });

  it('keeps sockets under the state where the system has no runtime folder', () => {
    const { state, run } = resolvePaths({});
    expect(run).toBe(join(state, 'run'));
  });
});

describe('sessionRunFolder', () => {
  const key = '0123abcd';

  it('is the run folder while a socket in it stays within 100 bytes', () => {
    const paths = resolvePaths({ HYPERLLAMA_HOME: '/h' });
    expect(sessionRunFolder(paths, key)).toBe('/h/run/0123abcd');
  });

  it('is in the temporary folder when the path has more bytes, also by wide characters', () => {
    for (const home of [`/${'x'.repeat(90)}`, `/${'ü'.repeat(45)}`]) {
      const folder = sessionRunFolder(resolvePaths({ HYPERLLAMA_HOME: home }), key);
      expect(Buffer.byteLength(join(folder, 'e.sock'))).toBeLessThanOrEqual(100);
      expect(folder.endsWith(key)).toBe(true);
    }
  });
});

it('finds the services of this very installation', () => {
  expect(existsSync(join(servicesFolder(), 'shared', 'hyperllama_service', 'guard.py'))).toBe(true);
});
