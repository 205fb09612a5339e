/** `generate --keep-alive`: the engine stays for the next question, and goes by `stop` or in time. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import { enginesOfHome, processesOfHome, until } from '../support/processes.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { ask } from './asking.ts';
import { cli } from './transcript.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

/** Ten times what the guard takes to end a tree. */
const EMPTY_DEADLINE_MS = 30_000;

async function untilEmpty(home: TrialHome): Promise<void> {
  const isEmpty = (): boolean => processesOfHome(home.path).length === 0;
  await until('an empty home', isEmpty, EMPTY_DEADLINE_MS);
}

describe('generate --keep-alive', () => {
  it('leaves the engine to the next question, which joins it, and `stop` ends it', async () => {
    using home = prepared.trial();
    const first = await ask(home, { words: ['count', '--keep-alive', '10m'] });
    expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('stays for 10 min')]);
    const engines = enginesOfHome(home.path).map(({ pid }) => pid);
    expect(engines.length).toBeGreaterThan(0);
    const ps = await cli(['ps', '--json'], { home: home.path });
    expect(JSON.parse(ps.stdout)).toMatchObject({
      sessions: [{ keepAliveMs: 600_000, leases: 0 }],
    });
    const second = await ask(home, { words: ['count'] });
    expect([second.code, second.stderr]).toEqual([
      0,
      expect.stringContaining('joined a running engine'),
    ]);
    expect(enginesOfHome(home.path).map(({ pid }) => pid)).toEqual(engines);
    expect((await cli(['stop', '--all'], { home: home.path })).code).toBe(0);
    await untilEmpty(home);
  });

  it('is shown by `ps` with the format of its model, and the end of a long path', async () => {
    using home = prepared.trial();
    const model = writeTinyGguf(join(home.path, 'long'.repeat(15), 'tiny.gguf'));
    await ask({ ...home, model }, { words: ['count', '--keep-alive', '10m'] });
    const { stdout } = await cli(['ps'], { home: home.path });
    expect(stdout).toMatch(/…\S*tiny\.gguf +gguf fp32 +ready/);
    expect((await cli(['stop', '--all'], { home: home.path })).code).toBe(0);
    await untilEmpty(home);
  });

  it('ends it by itself when the time is over', async () => {
    using home = prepared.trial();
    expect((await ask(home, { words: ['count', '--keep-alive', '500ms'] })).code).toBe(0);
    await untilEmpty(home);
  });

  it('of who joins counts from then on', async () => {
    using home = prepared.trial();
    await ask(home, { words: ['count', '--keep-alive', '5m'] });
    const second = await ask(home, { words: ['count', '--keep-alive', '300ms'] });
    expect(second.stderr).toContain('joined a running engine');
    await untilEmpty(home);
  });

  it('is not prolonged by those who only look', async () => {
    using home = prepared.trial();
    await ask(home, { words: ['count', '--keep-alive', '3s'] });
    const askedAt = performance.now();
    let looks = 0;
    while (processesOfHome(home.path).length > 0 && performance.now() - askedAt < 30_000) {
      expect((await cli(['ps'], { home: home.path })).code).toBe(0);
      looks += 1;
    }
    // Each look takes less than the keep-alive, so that only a look which counts would prolong it.
    expect([looks > 1, processesOfHome(home.path).length]).toEqual([true, 0]);
  });

  it('does not keep an engine whose start was given up', async () => {
    using home = prepared.trial();
    const words = ['count', '--keep-alive', '10m', '--timeout', '2s'];
    const result = await ask(home, { words, faults: ['never-ready'] });
    expect(result.code).toBe(6);
    await untilEmpty(home);
  });
});
