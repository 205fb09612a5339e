/** P11: `kill -9` at random points of a state write leaves the old value or the new one. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readState } from '../../src/base/state.ts';
import { temporaryHome } from '../support/home.ts';
import { isFullSize, Suite } from '../support/suite.ts';

const WRITER = fileURLToPath(new URL('../support/state-writer.ts', import.meta.url));
const TRIALS = isFullSize ? 500 : 60;
/** Kills of a writer that truncates first: enough that some must hit the gap. */
const CONTROL_TRIALS = 8;

interface Kill {
  readonly acknowledged: number;
  /** `null` = no file at all. */
  readonly text: string | null;
}

/** Starts a writer, kills it a random while after its first acknowledged write. */
async function killWriter(path: string, how: string, suite: Suite): Promise<Kill> {
  const child = spawn(process.execPath, [WRITER, path, how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let acknowledged = 0;
  const lines = createInterface({ input: child.stdout });
  const closed = new Promise<void>((resolve) => lines.once('close', resolve));
  const first = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      acknowledged = Number(line);
      resolve();
    });
    child.once('exit', () => reject(new Error('the writer ended before its first write')));
  });
  await first;
  const killAfterMs = suite.random() * 40;
  await new Promise((resolve) => setTimeout(resolve, killAfterMs));
  child.kill('SIGKILL');
  await closed;
  return { acknowledged, text: existsSync(path) ? readFileSync(path, 'utf8') : null };
}

function isWhole(text: string | null): boolean {
  if (text === null) return false;
  try {
    const value = JSON.parse(text) as { n: number; last: number };
    return value.n === value.last;
  } catch {
    return false;
  }
}

test('a state file killed in the middle of a write is readable and keeps what was acknowledged', async () => {
  const suite = new Suite('p11-state-writes');
  using home = temporaryHome();
  let unreadable = 0;
  let lost = 0;
  await suite.run(TRIALS, { width: 2, deadlineMs: 500_000 }, async (index) => {
    const path = join(home.path, `state-${index}.json`);
    const { acknowledged, text } = await killWriter(path, 'state', suite);
    if (!isWhole(text)) {
      unreadable += 1;
      throw new Error(`unreadable after ${acknowledged} writes: ${text?.slice(0, 60) ?? 'none'}`);
    }
    const value = (await readState(path)) as { n: number };
    if (value.n < acknowledged) {
      lost += 1;
      throw new Error(`write ${acknowledged} was acknowledged, ${value.n} is on the disk`);
    }
  });
  let controlUnreadable = 0;
  await suite.run(CONTROL_TRIALS, { width: 2, deadlineMs: 100_000 }, async (index) => {
    const path = join(home.path, `naive-${index}.json`);
    const { text } = await killWriter(path, 'naive', suite);
    if (!isWhole(text)) controlUnreadable += 1;
  });
  const leftovers = readdirSync(home.path).filter((name) => name.endsWith('.tmp')).length;
  suite.fact('unreadable', unreadable);
  suite.fact('lostAcknowledged', lost);
  suite.fact('temporaryFilesLeft', leftovers);
  suite.fact('controlUnreadable', `${controlUnreadable}/${CONTROL_TRIALS}`);
  const result = suite.finish();
  expect(result.failed).toEqual([]);
  // A write in place must show up as torn, or the kills hit nothing.
  expect(controlUnreadable).toBeGreaterThan(0);
}, 600_000);
