/**
 * MLX, for real: installed from its lock, asked, interrupted, killed, squatted. On a Linux CPU it
 * says two or three tokens a second.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningCli } from '../support/cli.ts';
import type { TemporaryHome } from '../support/home.ts';
import { enginesOfHome, until } from '../support/processes.ts';
import { Squatter } from '../support/squatter.ts';
import { JAPAN, live, startLive, type LiveHome } from './home.ts';
import {
  expectNothingLeft,
  installedHome,
  isAsked,
  ledgerOf,
  liveModel,
  liveTitle,
  SLOW_INSTALL_DEADLINE_MS,
  SLOW_START_DEADLINE_MS,
} from './slow-engine.ts';

const TEST_MS = 2 * SLOW_START_DEADLINE_MS;
const TOKYO = 'The capital of Japan is Tokyo.\n';
/** Its kernels for CPUs are compiled in a folder of this name. */
const TEMPORARY = /^mlx/;

describe.runIf(isAsked('mlx'))(liveTitle('MLX', 'mlx'), () => {
  let shared: LiveHome;
  beforeAll(async () => {
    shared = await installedHome('mlx');
  }, SLOW_INSTALL_DEADLINE_MS);
  afterAll(() => shared[Symbol.dispose]());

  const askOf = (model: string, home: TemporaryHome, ...more: readonly string[]): RunningCli =>
    startLive(['generate', model, '--engine', 'mlx', '--temperature', '0', '--yes', ...more], {
      home: home.path,
      deadlineMs: SLOW_START_DEADLINE_MS,
    });
  const ask = (home: TemporaryHome, ...more: readonly string[]): RunningCli =>
    askOf(liveModel(), home, ...more);
  const hasStarted = (home: TemporaryHome) => (): boolean => enginesOfHome(home.path).length > 0;

  it(
    'says Tokyo, and leaves nothing behind',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a session', () => ledgerOf(home)?.engine != null, TEST_MS);
      const ledger = ledgerOf(home);
      const result = await running.result;
      expect([result.code, result.stdout]).toEqual([0, TOKYO]);
      expect(result.stderr).toMatch(/ engine MLX \(CPU/);
      expect(result.stderr).toMatch(/ 8 tok · .* prompt 37 tok · start .* · ctx 45\//);
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'ends before a stop text that is no token, and drops nothing in silence',
    async () => {
      using home = shared.trial();
      const asked = [JAPAN, '--stop', 'kyo', '--schema', '{"type":"object"}', '--json'];
      const result = await ask(home, ...asked).result;
      const answer = JSON.parse(result.stdout) as Record<string, unknown>;
      expect([answer['text'], answer['finishReason']]).toEqual([
        'The capital of Japan is To',
        'stop',
      ]);
      expect(answer['warnings']).toEqual([
        { feature: 'json_schema', message: 'MLX ignores `json_schema`, so it was left out' },
      ]);
      // Its server repeats the name that a request gave: one that means nothing to a person.
      expect(result.stdout).not.toContain('default_model');
      await expectNothingLeft(home, { ledger: null, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'says Tokyo too where the configuration has the rotary base in `rope_parameters` alone',
    async () => {
      using home = shared.trial();
      const folder = join(home.path, 'model');
      mkdirSync(folder);
      cpSync(liveModel(), folder, { recursive: true });
      const file = join(folder, 'config.json');
      const { rope_theta: base, ...config } = JSON.parse(readFileSync(file, 'utf8')) as {
        rope_theta: number;
        rope_parameters: object;
      };
      writeFileSync(
        file,
        JSON.stringify({ ...config, rope_parameters: { rope_theta: base, rope_type: 'default' } }),
      );
      const result = await askOf(folder, home, JAPAN).result;
      expect([result.code, result.stdout]).toEqual([0, TOKYO]);
      await expectNothingLeft(home, { ledger: null, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'is gone when the command is killed while it starts',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('an engine', hasStarted(home), TEST_MS);
      const ledger = ledgerOf(home);
      running.child.kill('SIGKILL');
      await running.result;
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'is gone after Ctrl-C while it starts',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('an engine', hasStarted(home), TEST_MS);
      const ledger = ledgerOf(home);
      running.child.kill('SIGINT');
      const result = await running.result;
      expect([result.code, result.stdout]).toEqual([130, '']);
      expect(result.stderr).toMatch(/error: cancelled/);
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'that is killed in mid-answer is named as killed, and leaves nothing behind',
    async () => {
      using home = shared.trial();
      const running = ask(home, 'Tell a long story.', '--max-tokens', '500');
      await until('text', () => running.output().stdout.length > 5, TEST_MS);
      const ledger = ledgerOf(home);
      process.kill(ledger?.engine?.pid ?? -1, 'SIGKILL');
      const result = await running.result;
      expect(result.code).toBe(6);
      expect(result.stderr).toContain('error: MLX ended in phase `generate`: killed by SIGKILL');
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'whose port a stranger takes is started on another one; the stranger hears nothing',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a session', () => ledgerOf(home)?.engine != null, TEST_MS);
      const port = ledgerOf(home)?.address.port ?? 0;
      // It imports for a second or more before it binds.
      const squatter = new Squatter({ port, host: '127.0.0.1' });
      expect(await squatter.squat(5000)).toBe(true);
      await until('another port', () => (ledgerOf(home)?.address.port ?? port) !== port, TEST_MS);
      const ledger = ledgerOf(home);
      const result = await running.result;
      expect([result.code, result.stdout]).toEqual([0, TOKYO]);
      expect([squatter.connections, squatter.received]).toEqual([0, '']);
      await squatter.close();
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'is not started for a folder without weights',
    async () => {
      using home = shared.trial();
      const folder = join(home.path, 'empty');
      mkdirSync(folder);
      const result = await live(['generate', folder, JAPAN, '--engine', 'mlx', '--yes'], {
        home: home.path,
      });
      expect([result.code, result.stdout]).toEqual([5, '']);
      expect(result.stderr).toContain(folder);
      expect(ledgerOf(home)).toBeNull();
    },
    TEST_MS,
  );
});
