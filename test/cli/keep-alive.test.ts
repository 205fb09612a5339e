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

  it('of who joins lengthens what the starter asked for, and never shortens it', async () => {
    using home = prepared.trial();
    const kept = async (): Promise<unknown> => {
      const { stdout } = await cli(['ps', '--json'], { home: home.path });
      return (JSON.parse(stdout) as { sessions: readonly { keepAliveMs: unknown }[] }).sessions.map(
        ({ keepAliveMs }) => keepAliveMs,
      );
    };
    const told: string[] = [];
    for (const time of ['5m', '300ms', '10m']) {
      const { stderr } = await ask(home, { words: ['count', '--keep-alive', time] });
      told.push(/stays for (.+?)(?: ·|\n|$)/.exec(stderr)?.[1] ?? stderr);
    }
    expect(told).toEqual(['5 min 00 s', '5 min 00 s', '10 min 00 s']);
    expect(await kept()).toEqual([600_000]);
    expect((await cli(['stop', '--all'], { home: home.path })).code).toBe(0);
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

describe('a duration', () => {
  it.each([
    ['--keep-alive', '1000h', 31],
    ['--keep-alive', '744.1h', 31],
    ['--keep-alive', '0.5ms', 31],
    ['--keep-alive', '0', 31],
    // A timer of Node's would be over at once.
    ['--timeout', '25h', null],
    ['--timeout', '600h', 24],
  ])(
    '%s %s is taken or refused before anything starts, with the bounds',
    async (option, time, days) => {
      using home = prepared.trial();
      const asked = ['generate', 'no-such-model', option, time, '--dry-run'];
      const { code, stderr } = await cli(asked, { home: home.path });
      const bounds = `\`${option}\` got \`${time}\`, expected a duration of 1 ms to ${days} days`;
      const refused = [2, expect.stringContaining(bounds) as unknown];
      const taken = [5, expect.stringContaining('no-such-model') as unknown];
      expect([code, stderr]).toEqual(days === null ? taken : refused);
    },
  );
});
