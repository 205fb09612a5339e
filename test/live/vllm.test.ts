/**
 * vLLM, for real: installed from its lock, asked, interrupted, killed. A start imports for half a
 * minute on two cores, and for minutes on busy ones.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningCli } from '../support/cli.ts';
import type { TemporaryHome } from '../support/home.ts';
import { until, type SeenProcess } from '../support/processes.ts';
import { JAPAN, live, MODEL, startLive, type LiveHome } from './home.ts';
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

const TEST_MS = 2 * SLOW_START_DEADLINE_MS;
/** The process that computes; the one we start answers HTTP only. */
const ENGINE_CORE = 'VLLM::EngineCore';

describe.runIf(isAsked('vllm'))(`vLLM${whyNot('vllm')}`, () => {
  let shared: LiveHome;
  beforeAll(async () => {
    shared = await installedHome('vllm');
  }, SLOW_INSTALL_DEADLINE_MS);
  afterAll(() => shared[Symbol.dispose]());

  const ask = (home: TemporaryHome, ...more: readonly string[]): RunningCli =>
    startLive(['generate', MODEL, '--engine', 'vllm', '--temperature', '0', '--yes', ...more], {
      home: home.path,
      deadlineMs: SLOW_START_DEADLINE_MS,
    });
  const cores = (home: TemporaryHome): readonly SeenProcess[] =>
    engineTree(home).filter(({ commandLine }) => commandLine.includes(ENGINE_CORE));

  it(
    'says Tokyo, and leaves nothing behind',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a core', () => cores(home).length > 0, TEST_MS);
      const ledger = ledgerOf(home);
      const result = await running.result;
      expect([result.code, result.stdout]).toEqual([0, 'The capital of Japan is Tokyo.\n']);
      expect(result.stderr).toMatch(/ engine vLLM \(CPU/);
      expect(result.stderr).toMatch(/ 8 tok · .* prompt 37 tok · start .* s · ctx 45\//);
      await expectNothingLeft(home, { ledger });
    },
    TEST_MS,
  );

  it(
    'is gone when the command is killed while it starts',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('a core', () => cores(home).length > 0, TEST_MS);
      const ledger = ledgerOf(home);
      running.child.kill('SIGKILL');
      expect((await running.result).signal).toBe('SIGKILL');
      await expectNothingLeft(home, { ledger });
    },
    TEST_MS,
  );

  it(
    'is gone after Ctrl-C while it starts',
    async () => {
      using home = shared.trial();
      const running = ask(home, JAPAN);
      await until('an engine', () => engineTree(home).length > 0, TEST_MS);
      const ledger = ledgerOf(home);
      running.child.kill('SIGINT');
      const result = await running.result;
      expect([result.code, result.stdout]).toEqual([130, '']);
      expect(result.stderr).toMatch(/error: cancelled/);
      await expectNothingLeft(home, { ledger });
    },
    TEST_MS,
  );

  it(
    'whose core is killed in mid-answer is named as crashed, though its server ends with 0',
    async () => {
      using home = shared.trial();
      const running = ask(home, 'Tell a long story.', '--max-tokens', '4000');
      await until('text', () => running.output().stdout.length > 20, TEST_MS);
      const ledger = ledgerOf(home);
      for (const { pid } of cores(home)) process.kill(pid, 'SIGKILL');
      const result = await running.result;
      expect(result.code).toBe(6);
      expect(result.stderr).toMatch(/error: vLLM ended in phase `generate`: /);
      await expectNothingLeft(home, { ledger });
    },
    TEST_MS,
  );

  it(
    'is not started for a folder without weights',
    async () => {
      using home = shared.trial();
      const folder = join(home.path, 'empty');
      mkdirSync(folder);
      const result = await live(['generate', folder, JAPAN, '--engine', 'vllm', '--yes'], {
        home: home.path,
      });
      expect([result.code, result.stdout]).toEqual([1, '']);
      expect(result.stderr).toContain(`error: \`${folder}\`: it holds neither a GGUF file nor`);
      expect(ledgerOf(home)).toBeNull();
    },
    TEST_MS,
  );
});
