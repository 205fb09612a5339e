/**
 * An update and a rollback of the default engine, for real: two releases of the package index, both
 * asked, both answering.
 */
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runInstall } from '../../src/base/installer.ts';
import { findPython } from '../../src/base/python.ts';
import { servicesFolder } from '../../src/base/paths.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { processesOfHome, describeProcesses } from '../support/processes.ts';
import { ANSWER_DEADLINE_MS, INSTALL_DEADLINE_MS, JAPAN, live, MODEL } from './home.ts';

const ID = 'llama-cpp';
const OLDER = '2026.9.11063';

/** As an earlier release of HyperLlama had left it. */
async function installOlder(home: TemporaryHome): Promise<void> {
  const { env } = process;
  await runInstall(
    {
      kind: 'environment',
      target: join(home.path, 'data', 'engines', ID, `${OLDER}-cpu`),
      lock: fileURLToPath(new URL('older-llama-cpp.lock.txt', import.meta.url)),
      index: null,
      service: join(servicesFolder(), ID, 'service.py'),
      version: OLDER,
      recipe: 'cpu',
      bytesDownload: 34_000_000,
      bytesOnDisk: 102_000_000,
    },
    { name: 'llama.cpp', id: ID },
    {
      python: await findPython({ asked: null, cacheFolder: join(home.path, 'cache'), env }),
      env,
      signal: null,
      onEvent: () => undefined,
    },
  );
}

/** The version that says Tokyo. */
async function answering(home: TemporaryHome): Promise<string> {
  const args = ['generate', MODEL, JAPAN, '--engine', ID, '--temperature', '0', '--json'];
  const result = await live(args, { home: home.path });
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stdout}${result.stderr}`);
  const { text, engine } = JSON.parse(result.stdout) as {
    text: string;
    engine: { version: string };
  };
  expect(text).toContain('Tokyo');
  return engine.version;
}

it(
  'the older release is updated, answers, is gone back to, and answers again',
  async () => {
    using home = temporaryHome();
    await installOlder(home);
    const options = { home: home.path, deadlineMs: INSTALL_DEADLINE_MS };
    const updated = await live(['engines', 'update', ID, '--json'], options);
    if (updated.code !== 0) throw new Error(`${updated.stdout}${updated.stderr}`);
    const { version, updates } = JSON.parse(updated.stdout) as {
      version: string;
      updates: unknown;
    };
    const answered = {
      startMs: expect.any(Number),
      tokensPerSecond: expect.any(Number),
      failure: null,
    };
    expect(updates).toMatchObject([
      { from: { version: OLDER, ...answered }, to: { version, ...answered } },
    ]);
    expect(await answering(home)).toBe(version);
    expect((await live(['engines', 'rollback', ID], options)).code).toBe(0);
    expect(await answering(home)).toBe(OLDER);
    expect(describeProcesses(processesOfHome(home.path))).toBe('');
  },
  INSTALL_DEADLINE_MS + 4 * ANSWER_DEADLINE_MS,
);
