/**
 * P2: the guard is killed as well, so that nobody is left to end the tree; the next command ends
 * all of it, and no process of anybody else, however alike it looks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  FAKE_SERVICE,
  GuardedSession,
  pythonExecutable,
  readLedger,
  reap,
  sessionsFolder,
} from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { describeProcesses, endAll, seeProcess, until } from '../support/processes.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';

const TRIALS = isFullSize ? 200 : 40;
const DECOYS = 20;
const DEADLINE_MS = 30_000;
const FAULTS = ['tree', 'slow-load=0.05', 'prefill-delay=40', 'token-delay=4'];
/** An engine that has left its parent's session within a millisecond of its start. */
const FORKS_AT_ONCE = ['/bin/sh', '-c', 'setsid sleep 300 & setsid sleep 300 & wait'] as const;

const problem = process.platform === 'linux' ? null : 'survivors are found in /proc';

test.runIf(runsHere('P2', problem))(
  'the next command ends what a killed guard left, and none of twenty look-alikes',
  async () => {
    const suite = new Suite('p2-kill-guard');
    using home = temporaryHome();
    const key = randomBytes(4).toString('hex');
    const socket = join(home.path, 'run', key, 'e.sock');
    const likeAnEngine = [pythonExecutable(), FAKE_SERVICE, 'host', '--', '--socket', socket];
    const decoys = startDecoys(likeAnEngine.concat(FAULTS.flatMap((item) => ['--fault', item])));
    const living = (): number =>
      decoys.filter(({ pid }) => pid !== undefined && seeProcess(pid) !== null).length;
    try {
      await until('all decoys', () => living() === DECOYS, DEADLINE_MS);
      await suite.run(TRIALS, { width: 1, deadlineMs: 550_000 }, async (index) => {
        // One key for all: the decoys carry this session's very arguments.
        const facts = { home: home.path, faults: FAULTS, key };
        const isQuick = index % 4 === 3;
        const session = new GuardedSession(
          isQuick ? { ...facts, command: FORKS_AT_ONCE } : { ...facts, maxTokens: 400 },
        );
        if (isQuick) await session.event('spawned', DEADLINE_MS);
        else await session.phase(suite.pick(['spawn', 'load', 'decode']), DEADLINE_MS);
        const killAfterMs = suite.random() * (isQuick ? 6 : 120);
        await new Promise((resolve) => setTimeout(resolve, killAfterMs));
        const isGuardFirst = isQuick || suite.random() < 0.5;
        if (isGuardFirst) session.killGuard();
        session.killStarter();
        if (!isGuardFirst) session.killGuard();
        await until(
          'the end of the guard',
          () => session.survivors().every(({ pid }) => pid !== session.guardPid),
          DEADLINE_MS,
        );
        const left = session.survivors().length;
        suite.count(`${isQuick ? 'forks at once: ' : ''}${left} processes outlived the guard`);
        const hadLedger = existsSync(session.ledgerFile);
        // A ledger that claims somebody else's process must not make us end it.
        const forged = forgeLedger(home.path, decoys[index % DECOYS]?.pid ?? 0, session);
        reap(home.path);
        try {
          const isEmpty = (): boolean => session.survivors().length === 0;
          suite.duration(await until('an empty tree', isEmpty, 10_000));
        } catch {
          const survivors = session.survivors();
          endAll(survivors);
          throw new Error(`left by the reaper: ${describeProcesses(survivors)}`);
        } finally {
          if (living() < DECOYS) suite.fail(`trial ${index}: ${DECOYS - living()} decoys ended`);
        }
        // A guard killed before its first ledger leaves the folder of its lock and nothing to end.
        const paths = [session.ledgerFile, forged, ...(hadLedger ? [session.runFolder] : [])];
        for (const path of paths) {
          if (existsSync(path)) throw new Error(`\`${path}\` is still there`);
        }
        if (!hadLedger && left > 0) throw new Error('processes, but no ledger that names them');
      });
      suite.fact('decoysAlive', `${living()}/${DECOYS}`);
    } finally {
      for (const decoy of decoys) decoy.kill('SIGKILL');
    }
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(TRIALS);
  },
  600_000,
);

/** Processes with the command line of an engine and the tokens of sessions that are not ours. */
function startDecoys(commandLine: readonly string[]): readonly ChildProcess[] {
  return Array.from({ length: DECOYS }, (_, index) => {
    const [file = '', ...args] = commandLine;
    // The last few carry no token at all.
    const token = index < DECOYS - 4 ? randomBytes(16).toString('hex') : '';
    const env = { HYPERLLAMA_FAKE_DECOY: '1', HYPERLLAMA_RUN_TOKEN: token };
    return spawn(file, args, { stdio: 'ignore', env });
  });
}

/** A ledger of a dead guard whose engine pid now belongs to a decoy. */
function forgeLedger(home: string, pid: number, session: GuardedSession): string {
  const file = join(sessionsFolder(home), 'deadbeef.json');
  const real = readLedger(session.ledgerFile);
  const startTime = seeProcess(pid)?.startTime ?? 0;
  const ledger = {
    schema: 'hyperllama.session/1',
    bootId: '',
    ...real,
    key: 'deadbeef',
    token: randomBytes(16).toString('hex'),
    guard: { pid: session.guardPid, startTime: 1 },
    engine: { pid, startTime },
    control: join(home, 'run', 'deadbeef', 'c.sock'),
    address: { kind: 'unix', path: join(home, 'run', 'deadbeef', 'e.sock') },
    state: 'ready',
    startMs: 1,
    startedAt: '2026-01-01T00:00:00Z',
    logFile: join(home, 'state', 'logs', 'deadbeef.log'),
    runFolder: join(home, 'run', 'deadbeef'),
    about: {},
  };
  writeFileSync(file, JSON.stringify(ledger), { mode: 0o600 });
  return file;
}
