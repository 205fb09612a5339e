/** Which sessions there are, and whose guard is alive, judged by pid, start time and boot. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandResult } from '../../../src/base/exec.ts';
import { resolvePaths } from '../../../src/base/paths.ts';
import {
  isGuardAlive,
  modelServed,
  readLedger,
  readReaped,
  sessionsFolder,
  type LedgerEntry,
} from '../../../src/launch/ledger.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';
import { seeProcess } from '../../support/processes.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const ENTRY = {
  schema: 'hyperllama.session/1',
  key: '0123abcd',
  guard: { pid: 1, startTime: 1 },
  about: { engine: 'fake' },
};

async function ledgerOf(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const paths = resolvePaths({ HYPERLLAMA_HOME: home.path });
  mkdirSync(sessionsFolder(paths), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(sessionsFolder(paths), name), text);
  }
  return (await readLedger(paths)).map(({ key }) => key);
}

describe('readLedger', () => {
  it('is empty where there never was a session', async () => {
    expect(await readLedger(resolvePaths({ HYPERLLAMA_HOME: home.path }))).toEqual([]);
  });

  it('takes sessions and passes over everything else', async () => {
    const keys = await ledgerOf({
      'good.json': JSON.stringify(ENTRY),
      'half.json': JSON.stringify(ENTRY).slice(0, 40),
      'empty.json': '',
      'other.json': '{"schema":"hyperllama.session/2"}',
      'list.json': '[1]',
      'good.json.tmp': JSON.stringify({ ...ENTRY, key: 'temporary' }),
    });
    expect(keys).toEqual(['0123abcd']);
  });
});

describe.runIf(process.platform === 'linux')('isGuardAlive', () => {
  const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const entry = (change: Partial<LedgerEntry>): LedgerEntry =>
    ({
      ...ENTRY,
      bootId: bootId(),
      guard: { pid: process.pid, startTime: seeProcess(process.pid)?.startTime ?? -1 },
      ...change,
    }) as LedgerEntry;

  it('is true for this very process', () => {
    expect(isGuardAlive(entry({}))).toBe(true);
  });

  it('is false for another process with the same number, and for another boot', () => {
    expect(isGuardAlive(entry({ guard: { pid: process.pid, startTime: 1 } }))).toBe(false);
    expect(isGuardAlive(entry({ bootId: '00000000-0000-0000-0000-000000000000' }))).toBe(false);
  });

  it('is false for a process that is gone', () => {
    expect(isGuardAlive(entry({ guard: { pid: 2 ** 22 + 1, startTime: 1 } }))).toBe(false);
  });
});

describe('what the reaper said', () => {
  const exited = (code: number, stdout: string, stderr = ''): CommandResult => ({
    kind: 'exited',
    code,
    stdout,
    stderr,
  });
  const REAPED = '{"event":"reaped","key":"0123abcd","pids":[41,42]}\n';
  const DONE = '{"event":"done","sessions":1,"processes":2}\n';

  it('is counted by the sessions it names', () => {
    const reaped = readReaped(exited(0, REAPED + DONE));
    expect(reaped).toEqual({ sessions: 1, processes: 2, failure: null });
  });

  it.each([
    [exited(1, '', 'Traceback\nPermissionError: no'), 'PermissionError: no'],
    [exited(1, REAPED + DONE), 'exit 1'],
    [exited(0, ''), 'exit 0'],
    [exited(0, REAPED), 'exit 0'],
    [exited(0, `{"event":"failed","code":"X","because":"read-only"}\n${DONE}`), 'read-only'],
    [{ kind: 'timeout' } as const, 'timeout'],
    [{ kind: 'missing' } as const, 'missing'],
    [{ kind: 'killed', signal: 'SIGKILL' } as const, 'killed'],
  ])('is a failure when it ended badly or before its end: %j', (result, words) => {
    expect(readReaped(result).failure).toContain(words);
  });

  it('keeps what it had done before it failed', () => {
    const reaped = readReaped(exited(1, REAPED, 'OSError: gone'));
    expect(reaped).toMatchObject({ sessions: 1, processes: 2 });
  });
});

describe('modelServed', () => {
  it('says what stands beside the model, and so what tells two sessions apart', () => {
    const about = { model: 'smollm2:135m' } as LedgerEntry['about'];
    expect(modelServed(about)).toBe('smollm2:135m');
    expect(modelServed({ ...about, adapter: 'polite' })).toBe('smollm2:135m with polite');
    expect(modelServed({ ...about, adapter: 'polite', draft: 'tiny' })).toBe(
      'smollm2:135m with polite and draft tiny',
    );
  });
});
