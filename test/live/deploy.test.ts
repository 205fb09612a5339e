/**
 * Deployments for real: smg in front of two llama.cpp, Dynamo's frontend before two simulated
 * workers; an engine of each is killed while requests run. `HYPERLLAMA_TEST_LIVE=smg,dynamo` or
 * `all`.
 */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TemporaryHome } from '../support/home.ts';
import { describeProcesses, processesOfHome, until } from '../support/processes.ts';
import {
  ANSWER_DEADLINE_MS,
  INSTALL_DEADLINE_MS,
  live,
  liveHome,
  MODEL,
  startLive,
  type LiveHome,
} from './home.ts';

const asked = (process.env['HYPERLLAMA_TEST_LIVE'] ?? '').split(',');
const isAsked = (name: string): boolean => asked.includes(name) || asked.includes('all');
const runsSmg = isAsked('smg');
const runsDynamo = isAsked('dynamo');
if (!runsSmg) process.stderr.write('skipped: smg (HYPERLLAMA_TEST_LIVE=smg runs it)\n');
if (!runsDynamo) process.stderr.write('skipped: Dynamo (HYPERLLAMA_TEST_LIVE=dynamo runs it)\n');

let shared: LiveHome;
beforeAll(async () => {
  if (runsSmg || runsDynamo) shared = await liveHome();
}, INSTALL_DEADLINE_MS);
afterAll(() => {
  if (runsSmg || runsDynamo) shared[Symbol.dispose]();
});

const TEST_MS = INSTALL_DEADLINE_MS + ANSWER_DEADLINE_MS;
/** Ten times what the guards take to end their trees. */
const EMPTY_DEADLINE_MS = 30_000;

interface Deployed {
  readonly simulated: boolean;
  readonly model: string;
  readonly engines: readonly { readonly pid: number }[];
  readonly demo: {
    readonly requests: number;
    readonly answered: number;
    readonly failedBeforeFirstToken: number;
    readonly failedAfterFirstToken: number;
    readonly inFlightAtKill: number;
    readonly begunAtKill: number;
    readonly answeredAfterRecovery: number;
    readonly pool: { readonly healthy: number; readonly total: number | null };
    readonly timeline: readonly { readonly event: string }[];
  };
}

async function demo(home: TemporaryHome, ...args: readonly string[]): Promise<Deployed> {
  const options = { home: home.path, deadlineMs: TEST_MS };
  const words = ['deploy', ...args, '--local', '--demo', '--yes', '--json'];
  const result = await live(words, options);
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stdout}${result.stderr}`);
  return JSON.parse(result.stdout) as Deployed;
}

/** Addresses that processes listen at, in the kernel's spelling; `0100007F` is 127.0.0.1. */
function listenersOf(home: TemporaryHome): readonly string[] {
  const pids = processesOfHome(home.path).map(({ pid }) => pid);
  const inodes = new Set(pids.flatMap((pid) => socketsOf(pid)));
  const LISTEN = '0A';
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9] ?? ''))
      .map((fields) => fields[1]?.split(':')[0] ?? ''),
  );
}

function socketsOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
}

async function expectNothingLeft(home: TemporaryHome): Promise<void> {
  const isEmpty = (): boolean => processesOfHome(home.path).length === 0;
  await until('an empty home', isEmpty, EMPTY_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(processesOfHome(home.path))).toBe('');
  expect(readdirSync(join(home.path, 'run'))).toEqual([]);
  expect(readdirSync(join(home.path, 'state', 'sessions'))).toEqual([]);
}

describe.runIf(runsSmg)('smg in front of two engines', () => {
  it(
    'loses no request that had no token yet when an engine is killed, and has the engine again',
    async () => {
      using home = shared.trial();
      const { simulated, demo: result } = await demo(home, MODEL);
      expect(simulated).toBe(false);
      expect(result.failedBeforeFirstToken).toBe(0);
      expect(result.answered + result.failedAfterFirstToken).toBe(result.requests);
      expect(result.failedAfterFirstToken).toBeLessThanOrEqual(result.begunAtKill);
      expect([result.begunAtKill > 0, result.inFlightAtKill > result.begunAtKill]).toEqual([
        true,
        true,
      ]);
      expect(result.answeredAfterRecovery).toBe(8);
      const events = result.timeline.map(({ event }) => event);
      expect(events[0]).toBe('engine 1 ended by SIGKILL');
      // It may be back before the router has missed it.
      expect(events.some((event) => event.startsWith('engine 1 is back'))).toBe(true);
      expect(result.pool).toEqual({ healthy: 2, total: 2 });
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it.each(['SIGINT', 'SIGKILL'] as const)(
    'is gone with everything behind it after %s to the command',
    async (signal) => {
      using home = shared.trial();
      const running = startLive(['deploy', MODEL, '--local', '--yes'], { home: home.path });
      onTestFinished(() => void running.child.kill('SIGINT'));
      const isUp = (): boolean => running.output().stdout.includes('Ctrl-C ends all of it');
      await until('a deployment', isUp, ANSWER_DEADLINE_MS);
      expect(processesOfHome(home.path).length).toBeGreaterThan(3);
      running.child.kill(signal);
      expect((await running.result).code).toBe(signal === 'SIGINT' ? 0 : null);
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it(
    'that nobody said yes to is not installed, and nothing is started for it',
    async () => {
      using home = shared.trial();
      // A home whose data is another's sees what is installed there: this one has none.
      const env = { HYPERLLAMA_HOME: join(home.path, 'empty') };
      const result = await live(['deploy', MODEL, '--local'], { home: home.path, env });
      expect(result.code).toBe(6);
      expect(result.stderr).toContain('error: smg is not installed, and nobody said yes to');
      expect(result.stderr).toContain(
        'hint: run `hyperllama engines install smg`, or give `--yes`',
      );
    },
    TEST_MS,
  );
});

describe.runIf(runsDynamo)('Dynamo before two simulated workers', () => {
  it(
    'loses no request at all when a worker is killed, and says everywhere that it is simulated',
    async () => {
      using home = shared.trial();
      const deployed = await demo(home, MODEL, '--target', 'dynamo');
      const { demo: result } = deployed;
      expect(deployed.simulated).toBe(true);
      expect(deployed.model).toMatch(/-SIMULATED$/);
      expect(result).toMatchObject({
        requests: 300,
        answered: 300,
        failedBeforeFirstToken: 0,
        failedAfterFirstToken: 0,
      });
      expect(result.begunAtKill).toBeGreaterThan(0);
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it(
    'puts the word into the answers themselves, and listens on no other address',
    async () => {
      using home = shared.trial();
      const words = ['deploy', MODEL, '--local', '--target', 'dynamo', '--yes'];
      const running = startLive(words, { home: home.path });
      // A failed expectation must not leave it running.
      onTestFinished(() => void running.child.kill('SIGINT'));
      const isUp = (): boolean => running.output().stdout.includes('Ctrl-C ends all of it');
      await until('a deployment', isUp, INSTALL_DEADLINE_MS);
      const { stdout, stderr } = running.output();
      expect(stderr).toContain('SIMULATED its real workers need data-centre cards');
      expect(stdout.match(/SIMULATED engine \d/g)).toHaveLength(2);
      const endpoint = /endpoint {2}(\S+)/.exec(stdout)?.[1] ?? '';
      const model = /engine, (\S+)\n/.exec(stdout)?.[1] ?? '';
      const answer = await fetch(`${endpoint}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          model,
          messages: [{ role: 'user', content: 'Hi' }],
          max_tokens: 4,
        }),
      });
      expect(((await answer.json()) as { model: string }).model).toMatch(/-SIMULATED$/);
      const listeners = listenersOf(home);
      // Frontend and two workers, each with several.
      expect(listeners.length).toBeGreaterThan(5);
      expect(new Set(listeners)).toEqual(new Set(['0100007F']));
      running.child.kill('SIGINT');
      expect((await running.result).code).toBe(0);
      await expectNothingLeft(home);
    },
    TEST_MS,
  );
});

describe.runIf(runsSmg)('the command line for a node', () => {
  it(
    'of a list whose machines do not answer is an error that names each',
    async () => {
      using home = shared.trial();
      const list = join(home.path, 'nodes.yaml');
      writeFileSync(
        list,
        'front: {host: 127.0.0.1, port: 30000}\nnodes: [{name: a, host: no-such.invalid, port: 8000}]\n',
      );
      const result = await live(['deploy', MODEL, '--nodes', list], { home: home.path });
      expect(result.code).toBe(1);
      expect(result.stderr).toContain('a (no-such.invalid:8000): ');
    },
    TEST_MS,
  );
});
