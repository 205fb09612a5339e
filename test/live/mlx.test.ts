/**
 * MLX, for real: installed from its lock, asked, interrupted, killed, squatted. On a Linux CPU it
 * says two or three tokens a second.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaunchPlan } from '../../src/engines/engine.ts';
import type { RunningCli } from '../support/cli.ts';
import type { TemporaryHome } from '../support/home.ts';
import { until } from '../support/processes.ts';
import { Squatter } from '../support/squatter.ts';
import { JAPAN, live, MODEL, startLive, type LiveHome } from './home.ts';
import {
  expectNothingLeft,
  installedHome,
  isAsked,
  ledgerOf,
  SLOW_INSTALL_DEADLINE_MS,
  SLOW_START_DEADLINE_MS,
  whyNot,
} from './slow-engine.ts';

const TEST_MS = 2 * SLOW_START_DEADLINE_MS;
const TOKYO = 'The capital of Japan is Tokyo.\n';
/** Of SmolLM2; mlx-lm takes 10,000 where it finds none. */
const ROTARY_BASE = 100_000;
/** Its kernels for CPUs are compiled in a folder of this name. */
const TEMPORARY = /^mlx/;

describe.runIf(isAsked('mlx'))(`MLX${whyNot('mlx')}`, () => {
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
    askOf(MODEL, home, ...more);
  const hasEngine = (home: TemporaryHome): boolean => (ledgerOf(home)?.engine ?? null) !== null;

  it(
    'says Tokyo, and leaves nothing behind',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a session', () => hasEngine(home), TEST_MS);
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
    'says the same where the configuration has the rotary base in `rope_parameters` alone',
    async () => {
      using home = shared.trial();
      const planned = await live(['plan', MODEL, '--engine', 'mlx', '--json'], {
        home: home.path,
      });
      const { plan } = JSON.parse(planned.stdout) as { readonly plan: LaunchPlan };
      const source = plan.model.artifact.path ?? '';
      const folder = join(home.path, 'model');
      mkdirSync(folder);
      for (const name of readdirSync(source)) symlinkSync(join(source, name), join(folder, name));
      const file = join(folder, 'config.json');
      const { rope_theta: _, ...config } = JSON.parse(readFileSync(file, 'utf8')) as {
        readonly rope_theta?: number;
      };
      const rope = { rope_theta: ROTARY_BASE, rope_type: 'default' };
      rmSync(file);
      writeFileSync(file, JSON.stringify({ ...config, rope_parameters: rope }));
      const result = await askOf(folder, home, 'Name the planet we live on.').result;
      // With mlx-lm's own reading of this folder it is `Kepler-452b`.
      expect(result.stdout).toBe('The planet we live on is called Earth.\n');
      await expectNothingLeft(home, { ledger: null, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'is gone when the command is killed while it computes its first token',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a warm-up', () => running.output().stderr.includes('warm-up'), TEST_MS);
      const ledger = ledgerOf(home);
      running.child.kill('SIGKILL');
      expect((await running.result).signal).toBe('SIGKILL');
      await expectNothingLeft(home, { ledger, temporary: TEMPORARY });
    },
    TEST_MS,
  );

  it(
    'is gone after Ctrl-C while it starts',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('an engine', () => hasEngine(home), TEST_MS);
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
      await until('a session', () => hasEngine(home), TEST_MS);
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
      expect([result.code, result.stdout]).toEqual([1, '']);
      expect(result.stderr).toContain(`error: \`${folder}\`: it holds neither a GGUF file nor`);
      expect(ledgerOf(home)).toBeNull();
    },
    TEST_MS,
  );
});
