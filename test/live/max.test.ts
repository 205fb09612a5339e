/**
 * MAX, for real: installed from its lock, its graph compiled on this CPU, asked, killed, squatted.
 * A first start compiles for minutes; the later ones use what it left in the environment's cache.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINES } from '../../src/engines/all.gen.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { listeningAddresses } from '../support/listeners.ts';
import { freePort, Squatter } from '../support/squatter.ts';
import type { TemporaryHome } from '../support/home.ts';
import { until, type SeenProcess } from '../support/processes.ts';
import type { RunningCli } from '../support/cli.ts';
import { JAPAN, MODEL, startLive, type LiveHome } from './home.ts';
import {
  engineTree,
  expectNothingLeft,
  installedHome,
  isAsked,
  ledgerOf,
  SLOW_INSTALL_DEADLINE_MS,
  SLOW_START_DEADLINE_MS,
  whyNot,
} from './slow-engine.ts';

const engine = ENGINES.find(({ id }) => id === 'max') as Engine; // The list is tested.
const TEST_MS = 2 * SLOW_START_DEADLINE_MS;
/** What a killed MAX leaves in the temporary folder: sockets of its queues, a folder for media. */
const TEMPORARY = /^max_serve_media_|^[0-9a-f]{18}-/;
/** `multiprocessing` starts the worker like this, and a tracker of its resources beside it. */
const WORKER = 'multiprocessing.spawn import spawn_main';

describe.runIf(isAsked('max'))(`MAX${whyNot('max')}`, () => {
  let shared: LiveHome;
  beforeAll(async () => {
    shared = await installedHome('max');
  }, SLOW_INSTALL_DEADLINE_MS);
  afterAll(() => shared[Symbol.dispose]());

  const ask = (home: TemporaryHome, ...more: readonly string[]): RunningCli => {
    const model = [MODEL, '--engine', 'max', '--temperature', '0', '--yes'];
    return startLive(['generate', ...model, ...more], {
      home: home.path,
      deadlineMs: SLOW_START_DEADLINE_MS,
    });
  };
  const hasEngine = (home: TemporaryHome): boolean => (ledgerOf(home)?.engine ?? null) !== null;
  const workers = (home: TemporaryHome): readonly SeenProcess[] =>
    engineTree(home).filter(({ commandLine }) => commandLine.includes(WORKER));

  it(
    'says Tokyo and leaves nothing behind',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a session', () => hasEngine(home), TEST_MS);
      const ledger = ledgerOf(home);
      const result = await running.result;
      expect([result.code, result.stdout]).toEqual([0, 'The capital of Japan is Tokyo.\n']);
      expect(result.stderr).toMatch(/ engine MAX \(CPU/);
      expect(result.stderr).toMatch(/ 8 tok · .* start .* s · ctx 45\//);
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'listens on one port of this machine only, and counts its tokens there',
    async () => {
      using home = shared.trial();
      const result = await ask(home, JAPAN, '--keep-alive', '20s').result;
      expect(result.code).toBe(0);
      const ledger = ledgerOf(home);
      const port = ledger?.address.port ?? 0;
      const hex = port.toString(16).toUpperCase().padStart(4, '0');
      const listeners = engineTree(home).flatMap(({ pid }) => listeningAddresses(pid));
      expect(listeners).toEqual([`0100007F:${hex}`]);
      const page = await fetch(`http://127.0.0.1:${port}/metrics`);
      const metrics = engine.readMetrics(await page.text());
      // The answer's, and the one that proved the start.
      expect(metrics.outputTokensTotal).toBe(9);
      expect(metrics.requestsRunning).toBe(0);
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'is gone when the command is killed during its start',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN, '--context', '4096');
      await until('a worker', () => workers(home).length > 0, TEST_MS);
      const ledger = ledgerOf(home);
      running.child.kill('SIGKILL');
      expect((await running.result).signal).toBe('SIGKILL');
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'whose worker is killed in mid-answer is named as crashed, and leaves nothing behind',
    async () => {
      using home = shared.trial();
      const running = ask(home, 'Tell a long story.', '--max-tokens', '2000');
      await until('text', () => running.output().stdout.length > 20, TEST_MS);
      const ledger = ledgerOf(home);
      for (const { pid } of workers(home)) process.kill(pid, 'SIGKILL');
      const result = await running.result;
      expect(result.code).toBe(6);
      expect(result.stderr).toMatch(/error: MAX ended in phase `generate`: .*Worker crashed/);
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'whose port a stranger takes is started on another one; the stranger hears nothing',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a session', () => hasEngine(home), TEST_MS);
      const first = ledgerOf(home)?.address.port ?? (await freePort());
      const squatter = new Squatter({ port: first, host: '127.0.0.1' });
      // It imports for ten seconds before it binds.
      expect(await squatter.squat(5000)).toBe(true);
      await until('another port', () => (ledgerOf(home)?.address.port ?? first) !== first, TEST_MS);
      const ledger = ledgerOf(home);
      const result = await running.result;
      expect([result.code, result.stdout]).toEqual([0, 'The capital of Japan is Tokyo.\n']);
      expect([squatter.connections, squatter.received]).toEqual([0, '']);
      await squatter.close();
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );
});
