/** What the CLI makes of an engine that misbehaves: one named end for each fault, nothing left. */
import { expect, test } from 'vitest';
import { FAKE_ENGINE_TCP, runCli } from '../support/cli.ts';
import { preparedHome } from '../support/prepared-home.ts';
import { describeProcesses, endAll, processesOfHome } from '../support/processes.ts';
import { runsHere, Suite } from '../support/suite.ts';

const DEADLINE_MS = 120_000;
/** Scaled down from minutes, so that a hang ends within the test. */
const STALL_MS = 2000;
const ANSWER = 'The capital of Japan is Tokyo.';

interface Case {
  readonly fault: string;
  readonly code: number;
  /** What stdout (JSON) must say. */
  readonly says: RegExp;
  readonly isTcp?: boolean;
}

const CASES: readonly Case[] = [
  { fault: 'split-sse', code: 0, says: /The capital of Japan is Tokyo\./ },
  { fault: 'log-flood=4', code: 0, says: /The capital of Japan is Tokyo\./ },
  { fault: 'wrong-token', code: 0, says: /"wrongwrong/ },
  { fault: 'giant-line=2', code: 0, says: /The capitalx{2097152} of Japan/ },
  // A stream that goes on to `[DONE]` over an error, or over rubbish, is not an answer.
  { fault: 'error-event', code: 6, says: /HL_ENGINE_PROTOCOL[^]*decode failed/ },
  { fault: 'garbage-sse', code: 6, says: /HL_ENGINE_PROTOCOL/ },
  { fault: 'cut-after', code: 6, says: /HL_ENGINE_PROTOCOL[^]*"text": "The capital"/ },
  { fault: 'crash-at-start=3', code: 6, says: /HL_ENGINE_EXITED[^]*exit code 3/ },
  { fault: 'crash-before-token', code: 6, says: /HL_ENGINE_EXITED[^]*warm-up[^]*SIGSEGV/ },
  { fault: 'crash-before-token=2', code: 6, says: /HL_ENGINE_EXITED[^]*generate[^]*SIGSEGV/ },
  { fault: 'crash-after', code: 6, says: /HL_ENGINE_EXITED[^]*"text": "The capital"/ },
  // Exit code 0 while the session is wanted is a crash all the same.
  { fault: 'exit-0', code: 6, says: /HL_ENGINE_EXITED[^]*exit code 0/ },
  { fault: 'lying-health', code: 6, says: /HL_ENGINE_START_TIMEOUT[^]*warm-up/ },
  { fault: 'hang-prefill=1', code: 6, says: /HL_ENGINE_START_TIMEOUT[^]*warm-up/ },
  { fault: 'stranger-port', code: 6, says: /HL_ENGINE_START_TIMEOUT/, isTcp: true },
];

const problem = process.platform === 'linux' ? null : 'what is left is found in /proc';

test.runIf(runsHere('faults', problem))(
  'the CLI ends each fault of an engine with its own error, and leaves nothing',
  async () => {
    const suite = new Suite('faults');
    using prepared = await preparedHome();
    await suite.run(CASES.length, { width: 2, deadlineMs: 250_000 }, async (index) => {
      const { fault, code, says, isTcp } = CASES[index] ?? { fault: '', code: 0, says: /^$/ };
      using home = prepared.trial();
      const prompt = 'What is the capital of Japan?';
      const result = await runCli(
        ['generate', home.model, prompt, '--engine', 'fake', '--yes', '--json'],
        {
          home: home.path,
          faults: [fault],
          env: {
            HYPERLLAMA_STALL_MS: String(STALL_MS),
            ...(isTcp === true ? { HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE_TCP } : {}),
          },
          deadlineMs: DEADLINE_MS,
        },
      );
      const left = processesOfHome(home.path);
      endAll(left);
      suite.duration(result.durationMs);
      if (result.code !== code || !says.test(result.stdout)) {
        const said = `${result.stdout}${result.stderr}`.slice(0, 600);
        throw new Error(`${fault}: exit ${result.code}, wanted ${code} and ${says}: ${said}`);
      }
      if (left.length > 0) throw new Error(`${fault}: left ${describeProcesses(left)}`);
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(CASES.length);
  },
  300_000,
);

test.runIf(runsHere('faults (none)', problem))(
  'the fake engine answers as its tests expect',
  async () => {
    using prepared = await preparedHome();
    using home = prepared.trial();
    const options = { home: home.path, deadlineMs: DEADLINE_MS };
    const ask = async (...words: readonly string[]): Promise<string> => {
      const args = ['generate', home.model, ...words, '--engine', 'fake', '--yes', '--quiet'];
      return (await runCli(args, options)).stdout.trim();
    };
    expect(await ask('What is the capital of Japan?')).toBe(ANSWER);
    expect(await ask('count', '--max-tokens', '4')).toBe('one two three four');
    expect(await ask('count', '--max-tokens', '9', '--stop', ' four')).toBe('one two three');
  },
  300_000,
);
