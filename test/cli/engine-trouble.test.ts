/** Engines that fail: what a person is told, with the engine's own last words and an exit code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAKE_ENGINE_TCP, runCli } from '../support/cli.ts';
import { preparedHome, type PreparedHome } from '../support/prepared-home.ts';
import { describeProcesses, processesOfHome, until } from '../support/processes.ts';
import { ask, startAsking, written } from './asking.ts';
import { CLI_DEADLINE_MS, transcript } from './transcript.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

/** The guard's own end after the last lease; ten times what it takes. */
const EMPTY_DEADLINE_MS = 20_000;

async function expectNothingLeft(home: string): Promise<void> {
  const isEmpty = (): boolean => processesOfHome(home).length === 0;
  await until('an empty home', isEmpty, EMPTY_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(processesOfHome(home))).toBe('');
}

/** What was seen of one question with `faults`, and that nothing is left of it. */
async function asked(faults: readonly string[], ...more: readonly string[]): Promise<string> {
  using home = prepared.trial();
  const result = await ask(home, { words: ['count', '--max-tokens', '8', ...more], faults });
  await expectNothingLeft(home.path);
  return transcript(result, home.path);
}

describe('an engine that does not start', () => {
  it('ends at once: its exit code and its last words are shown', async () => {
    expect(await asked(['crash-at-start=3'])).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: Fake ended in phase \`start\`: exit code 3
        | E cannot start: the fault \`crash-at-start\` says so

      hint: look at the log lines above; running the command again starts a new engine"
    `);
  });

  it('never gets ready: given up at --timeout, naming the phase', async () => {
    const text = await asked(['never-ready'], '--timeout', '3s');
    expect(text.replace(/( {2}\| I .*\n)+/, '  | the log\n')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: Fake gave up in phase \`load\` after TIME: longer than the TIME allowed
        | the log

      hint: look at the log lines above; \`--timeout\` allows a longer start"
    `);
  });

  it('says it is healthy but generates nothing: given up at --timeout', async () => {
    expect(await asked(['lying-health'], '--timeout', '3s')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: Fake gave up in phase \`warm-up\` after TIME: longer than the TIME allowed
        | I listening on ~/run/KEY/e.sock
        | I model loaded

      hint: look at the log lines above; \`--timeout\` allows a longer start"
    `);
  });

  it('dies on its first token', async () => {
    expect(await asked(['crash-before-token=1'])).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: Fake ended in phase \`warm-up\`: killed by SIGSEGV
        | I listening on ~/run/KEY/e.sock
        | I model loaded

      hint: look at the log lines above; running the command again starts a new engine"
    `);
  });

  it('listens somewhere else than it was told: never talked to', async () => {
    using home = prepared.trial();
    const result = await ask(home, {
      words: ['count', '--timeout', '3s'],
      faults: ['stranger-port'],
      more: { env: { HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE_TCP } },
    });
    expect(transcript(result, home.path)).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
      error: Fake gave up in phase \`start\` after TIME: longer than the TIME allowed
        | I listening on ('127.0.0.1', PORT)
        | I model loaded

      hint: look at the log lines above; \`--timeout\` allows a longer start"
    `);
    await expectNothingLeft(home.path);
  });
});

describe('an engine that fails in mid-answer', () => {
  it('crashes: the text so far is kept, the signal is named', async () => {
    expect(await asked(['crash-after=3'])).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake ended in phase \`generate\`: killed by SIGSEGV
        | I listening on ~/run/KEY/e.sock
        | I model loaded

      hint: look at the log lines above; running the command again starts a new engine"
    `);
  });

  it('ends with code 0: a crash all the same', async () => {
    expect(await asked(['exit-0=3'])).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake ended in phase \`generate\`: exit code 0
        | I listening on ~/run/KEY/e.sock
        | I model loaded

      hint: look at the log lines above; running the command again starts a new engine"
    `);
  });

  it('closes the connection without an end', async () => {
    expect(await asked(['cut-after=3'])).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake answered with something unexpected: the connection broke (other side closed)

      hint: run the command with \`--verbose\` and report what it prints"
    `);
  });

  it('sends an error event: its message is shown, not its stream taken for whole', async () => {
    expect(await asked(['error-event=3'])).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake answered with something unexpected: decode failed

      hint: run the command with \`--verbose\` and report what it prints"
    `);
  });

  it('sends garbage', async () => {
    expect(await asked(['garbage-sse=3'])).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three four five six seven eight

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake answered with something unexpected: not JSON: {"choices": [

      hint: run the command with \`--verbose\` and report what it prints"
    `);
  });

  it('sends an event larger than any memory should hold', async () => {
    expect(await asked(['giant-line=17'])).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake answered with something unexpected: an event is larger than 16777216 bytes

      hint: run the command with \`--verbose\` and report what it prints"
    `);
  });

  it('goes silent before the first token: given up at --timeout', async () => {
    expect(await asked(['hang-prefill=2'], '--timeout', '2s')).toMatchInlineSnapshot(`
      "exit 6
      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake sent nothing for TIME (waiting for the first token)

      hint: \`--timeout\` allows a longer wait for the first token"
    `);
  });

  it('with --json is one object that keeps the text so far', async () => {
    expect(await asked(['crash-after=3'], '--json')).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      {
        "schema": "hyperllama.error/1",
        "error": {
          "code": "HL_ENGINE_EXITED",
          "message": "Fake ended in phase \`generate\`: killed by SIGSEGV",
          "hint": "look at the log lines above; running the command again starts a new engine",
          "details": {
            "engine": "Fake",
            "how": "killed by SIGSEGV",
            "phase": "generate",
            "text": "one two three",
            "engineLog": [
              "I listening on ~/run/KEY/e.sock",
              "I model loaded"
            ]
          },
          "exitCode": 6
        }
      }"
    `);
  });

  it('is killed by somebody: found by `ps --json`, named as SIGKILL', async () => {
    using home = prepared.trial();
    const running = startAsking(home, { faults: ['hang-decode=3'] });
    await written(running, 'stdout', 'three');
    const ps = await runCli(['ps', '--json'], { home: home.path, deadlineMs: CLI_DEADLINE_MS });
    const { sessions } = JSON.parse(ps.stdout) as { sessions: { enginePid: number }[] };
    expect(sessions).toHaveLength(1);
    process.kill(sessions[0]?.enginePid ?? -1, 'SIGKILL');
    expect(transcript(await running.result, home.path)).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake ended in phase \`generate\`: killed by SIGKILL
        | I listening on ~/run/KEY/e.sock
        | I model loaded

      hint: look at the log lines above; running the command again starts a new engine"
    `);
    await expectNothingLeft(home.path);
  });
});

describe('`stop` from another terminal', () => {
  it('under a running answer is named as such, without the log of an engine that is not at fault', async () => {
    using home = prepared.trial();
    const running = startAsking(home, { faults: ['hang-decode=3'] });
    await written(running, 'stdout', 'three');
    const stop = await runCli(['stop', '--all'], { home: home.path, deadlineMs: CLI_DEADLINE_MS });
    expect(stop.code).toBe(0);
    expect(transcript(await running.result, home.path)).toMatchInlineSnapshot(`
      "exit 6
      --- stdout
      one two three

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
      error: Fake ended in phase \`generate\`: another command stopped it (\`hyperllama stop\`)

      hint: run the command again to start a new engine"
    `);
    await expectNothingLeft(home.path);
  });
});

describe('the next question', () => {
  it('after a crash is answered by a new engine', async () => {
    using home = prepared.trial();
    expect((await ask(home, { faults: ['crash-after=3'] })).code).toBe(6);
    const words = ['What is the capital of Japan?', '--quiet'];
    expect(transcript(await ask(home, { words }), home.path)).toBe(
      'exit 0\n--- stdout\nThe capital of Japan is Tokyo.',
    );
  });

  it('while the engine still runs joins it, and says so', async () => {
    using home = prepared.trial();
    const first = startAsking(home, {
      words: ['count', '--max-tokens', '400'],
      faults: ['token-delay=5'],
    });
    await written(first, 'stdout', 'three');
    const second = await ask(home, { words: ['What is the capital of Japan?'] });
    expect(second.stdout).toBe('The capital of Japan is Tokyo.\n');
    expect(second.stderr).toContain('joined a running engine');
    expect((await first.result).code).toBe(0);
    await expectNothingLeft(home.path);
  });
});
