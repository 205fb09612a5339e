/** A model that does not fit beside a session that is kept warm: whose place it gets, and how. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../src/base/errors.ts';
import { runningSessions } from '../../src/launch/fleet.ts';
import type { LedgerEntry } from '../../src/launch/ledger.ts';
import { inPlaceOf } from '../../src/launch/place.ts';
import { runCli } from '../support/cli.ts';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import { testContext, type TestContext } from './context.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

/** A start of the CLI and the fake engine, on a machine with all cores busy. */
const DEADLINE_MS = 60_000;
const TOO_LARGE = new HyperLlamaError('HL_NO_ENGINE_FITS', { model: 'big', refusals: [] });

interface Warm {
  readonly context: TestContext;
  readonly keys: () => Promise<readonly string[]>;
  readonly attempt: (without: readonly LedgerEntry[]) => Promise<string>;
  readonly stop: () => Promise<unknown>;
}

/** A warm session, and a decision that holds only where it is gone or counted as gone. */
async function warm(home: TrialHome, answer: boolean): Promise<Warm> {
  const asked = ['generate', home.model, 'hi', '--engine', 'fake', '--keep-alive', '10m'];
  const first = await runCli(asked, { home: home.path, deadlineMs: DEADLINE_MS });
  expect(first.code).toBe(0);
  const context = await testContext(home.path, { answer });
  const keys = async (): Promise<readonly string[]> =>
    (await runningSessions(context)).sessions.map(({ entry }) => entry.key);
  const attempt = async (without: readonly LedgerEntry[]): Promise<string> => {
    const gone = new Set(without.map(({ key }) => key));
    if ((await keys()).every((key) => gone.has(key))) return 'decided';
    throw TOO_LARGE;
  };
  const stop = async (): Promise<unknown> =>
    await runCli(['stop', '--all'], { home: home.path, deadlineMs: DEADLINE_MS });
  return { context, keys, attempt, stop };
}

describe('a model that does not fit beside a warm session', () => {
  it('gets its place with consent, asked with what it holds', async () => {
    using home = prepared.trial();
    const { context, keys, attempt } = await warm(home, true);
    const [key] = await keys();
    expect(await inPlaceOf(TOO_LARGE, attempt, context)).toBe('decided');
    expect(context.questions).toEqual([
      expect.stringMatching(new RegExp(`on Fake \\(${key}, [\\d.]+ MiB\\)\\. End it\\?$`)),
    ]);
    expect(await keys()).toEqual([]);
  });

  it('leaves it alone without consent, naming the command that ends it', async () => {
    using home = prepared.trial();
    const { context, keys, attempt, stop } = await warm(home, false);
    const [key] = await keys();
    await expect(inPlaceOf(TOO_LARGE, attempt, context)).rejects.toMatchObject({
      code: 'HL_PLACE_NEEDED',
      hint: `run \`hyperllama stop ${key}\` first, or say \`--yes\``,
    });
    expect(await keys()).toEqual([key]);
    await stop();
  });

  it('asks for nothing when the session is no help or the problem another one', async () => {
    using home = prepared.trial();
    const { context, keys, attempt, stop } = await warm(home, true);
    const never = async (): Promise<string> => await Promise.reject(TOO_LARGE);
    await expect(inPlaceOf(TOO_LARGE, never, context)).rejects.toBe(TOO_LARGE);
    const other = new Error('no such model');
    await expect(inPlaceOf(other, attempt, context)).rejects.toBe(other);
    expect([context.questions, await keys()]).toEqual([[], [expect.any(String)]]);
    await stop();
  });
});
