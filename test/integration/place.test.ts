/** A model that does not fit beside a session that is kept warm: whose place it gets, and how. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../src/base/errors.ts';
import { runningSessions } from '../../src/launch/fleet.ts';
import { connectGuard, type GuardLink } from '../../src/launch/guard-link.ts';
import type { LedgerEntry } from '../../src/launch/ledger.ts';
import { inPlaceOf } from '../../src/launch/place.ts';
import { runCli } from '../support/cli.ts';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { testContext, type TestContext } from './context.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

/** A start of the CLI and the fake engine, on a machine with all cores busy. */
const DEADLINE_MS = 60_000;

function refusedFor(code: string): HyperLlamaError {
  const reasons = [{ code, because: 'it needs more', hint: null }];
  return new HyperLlamaError('HL_NO_ENGINE_FITS', {
    model: 'big',
    refusals: [{ engine: 'Fake', reasons }],
  });
}

const TOO_LARGE = refusedFor('memory-insufficient');

interface Warm {
  readonly context: TestContext;
  readonly keys: () => Promise<readonly string[]>;
  readonly attempt: (without: readonly LedgerEntry[]) => Promise<string>;
  readonly stop: () => Promise<unknown>;
}

/** Starts a session that stays. */
async function keep(home: TrialHome, model: string): Promise<void> {
  const asked = ['generate', model, 'hi', '--engine', 'fake', '--keep-alive', '10m'];
  const first = await runCli(asked, { home: home.path, deadlineMs: DEADLINE_MS });
  expect(first.code).toBe(0);
}

/** A warm session, and a decision that holds only where it is gone or counted as gone. */
async function warm(home: TrialHome, answer: boolean): Promise<Warm> {
  await keep(home, home.model);
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

  it('is given nothing of a session that somebody came to use while the question stood', async () => {
    using home = prepared.trial();
    const { context, keys, attempt, stop } = await warm(home, true);
    const [key] = await keys();
    const [before] = (await runningSessions(context)).sessions;
    let user: GuardLink | null = null;
    const consent = async (question: string): Promise<boolean> => {
      context.questions.push(question);
      user = await connectGuard(before?.entry.control ?? '');
      return true;
    };
    await expect(inPlaceOf(TOO_LARGE, attempt, { ...context, consent })).rejects.toBe(TOO_LARGE);
    expect([context.questions.length, await keys()]).toEqual([1, [key]]);
    (user as GuardLink | null)?.destroy();
    await stop();
  });

  it('takes the place of those alone that make the difference', async () => {
    using home = prepared.trial();
    const { context, keys, stop } = await warm(home, true);
    await keep(home, writeTinyGguf(join(home.path, 'second.gguf')));
    const { sessions } = await runningSessions(context);
    // The order in which they are tried, the larger one first.
    const [tried, needed] = sessions
      .map(({ entry }) => entry)
      .toSorted((a, b) => b.about.memoryBytes - a.about.memoryBytes);
    // As where the first one lies on another device.
    const attempt = async (without: readonly LedgerEntry[]): Promise<string> => {
      const gone = new Set(without.map(({ key }) => key));
      const left = (await keys()).filter((key) => !gone.has(key));
      if (needed !== undefined && !left.includes(needed.key)) return 'decided';
      throw TOO_LARGE;
    };
    expect(await inPlaceOf(TOO_LARGE, attempt, context)).toBe('decided');
    expect(await keys()).toEqual([tried?.key]);
    await stop();
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
    const noFormat = refusedFor('format-unsupported');
    await expect(inPlaceOf(noFormat, attempt, context)).rejects.toBe(noFormat);
    expect([context.questions, await keys()]).toEqual([[], [expect.any(String)]]);
    await stop();
  });
});
