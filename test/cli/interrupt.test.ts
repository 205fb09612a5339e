/**
 * Ctrl-C in every phase: once ends the work with what there is, twice quits at once, and the engine
 * is gone either way. The signal goes to the CLI alone, as it does to a terminal's foreground group.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getText, type Address } from '../../src/base/http.ts';
import { startCli, type CliResult, type RunningCli } from '../support/cli.ts';
import { readLedger, sessionsFolder } from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { preparedHome, type PreparedHome } from '../support/prepared-home.ts';
import { describeProcesses, processesOfHome, until } from '../support/processes.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { startAsking, written } from './asking.ts';
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
  expect(readdirSync(join(home, 'run'))).toEqual([]);
  expect(readdirSync(join(home, 'state', 'sessions'))).toEqual([]);
}

async function interrupt(running: RunningCli): Promise<CliResult> {
  running.child.kill('SIGINT');
  return await running.result;
}

describe('Ctrl-C once', () => {
  it('while the answer streams: partial text, footer, exit 130', async () => {
    using home = prepared.trial();
    const running = startAsking(home, { faults: ['hang-decode=3'] });
    await written(running, 'stdout', 'three');
    const result = await interrupt(running);
    expect(transcript(result, home.path)).toMatchInlineSnapshot(`
      "exit 130
      --- stdout
      one two three

      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
       3 tok · SPEED · TTFT TIME · start TIME · cancelled"
    `);
    await expectNothingLeft(home.path);
  });

  it('while the answer streams, with --json: the same as finishReason `cancelled`', async () => {
    using home = prepared.trial();
    const running = startAsking(home, { words: ['count', '--json'], faults: ['hang-decode=3'] });
    await answering(running, home.path);
    const result = await interrupt(running);
    const answer = JSON.parse(result.stdout) as Record<string, unknown>;
    expect([result.code, answer['schema'], answer['finishReason']]).toEqual([
      130,
      'hyperllama.generate/1',
      'cancelled',
    ]);
    // The signal may be faster than the last token.
    expect('one two three'.startsWith(String(answer['text']))).toBe(true);
    await expectNothingLeft(home.path);
  });

  it('while the prompt is read: no text, exit 130', async () => {
    using home = prepared.trial();
    const running = startAsking(home, { faults: ['hang-prefill=2'] });
    await written(running, 'stderr', 'engine Fake');
    expect(transcript(await interrupt(running), home.path)).toMatchInlineSnapshot(`
      "exit 130
      --- stderr
       engine Fake (CPU)   model tiny fp32 4 KiB   why: Fake was asked for
       0 tok · start TIME · cancelled"
    `);
    await expectNothingLeft(home.path);
  });

  it('while the engine loads: says in which phase, exit 130', async () => {
    using home = prepared.trial();
    const running = startAsking(home, { faults: ['never-ready'] });
    await written(running, 'stderr', ' load ');
    expect(transcript(await interrupt(running), home.path)).toMatchInlineSnapshot(`
      "exit 130
      --- stderr
      error: cancelled in phase \`load\`"
    `);
    await expectNothingLeft(home.path);
  });

  it('while the engine loads, with --json: one error object', async () => {
    using home = prepared.trial();
    const running = startAsking(home, { words: ['count', '--json'], faults: ['never-ready'] });
    await settled(running, home.path);
    const result = await interrupt(running);
    expect(result.code).toBe(130);
    expect(JSON.parse(result.stdout)).toMatchObject({
      error: { code: 'HL_CANCELLED', exitCode: 130 },
    });
    expect(result.stderr).toBe('');
    await expectNothingLeft(home.path);
  });

  it('while something is installed: nothing half-made is kept, exit 130', async () => {
    using home = temporaryHome();
    using index = await silentIndex();
    const running = startCli(['generate', 'smollm2:135m', 'hi'], {
      home: home.path,
      deadlineMs: CLI_DEADLINE_MS,
      env: { ...index.env, HOME: home.path, HYPERLLAMA_TEST_ENGINE: '' },
    });
    await until('a request to the index', index.isAsked, CLI_DEADLINE_MS);
    const result = await interrupt(running);
    expect(transcript(result, home.path)).toMatchInlineSnapshot(`
      "exit 130
      --- stderr
       install llama.cpp 2026.10.11549 (cpu): 32 MiB to download, 97 MiB on disk, into \`~/data\`
       download SmolLM2-135M-Instruct: 89 MiB, a small model for trying things out
      error: cancelled in phase \`install\`"
    `);
    const isEmpty = (): boolean => processesOfHome(home.path).length === 0;
    await until('an empty home', isEmpty, EMPTY_DEADLINE_MS);
    const left = readdirSync(join(home.path, 'data'), { recursive: true }) as string[];
    expect(left.filter((name) => !name.endsWith('.lock')).sort()).toEqual([
      'engines',
      'engines/llama-cpp',
      'models',
      'models/smollm2-135m',
    ]);
  });
});

describe('Ctrl-C on a terminal', () => {
  /** Runs the command on a terminal of its own, and types Ctrl-C there once it asks. */
  const TYPIST = `
import os, pty, sys

typed = False

def read(fd):
    global typed
    data = os.read(fd, 4096)
    if not typed and b"[y/N]" in data:
        typed = True
        os.write(fd, b"\\x03")
    return data

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], read)))
`;

  it('at a question is a cancellation, and nothing is installed', async () => {
    using home = temporaryHome();
    const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
    const result = await startCli(['generate', model, 'hi', '--engine', 'fake'], {
      home: home.path,
      deadlineMs: CLI_DEADLINE_MS,
      prefix: ['python3', '-c', TYPIST],
      input: '',
      env: { TERM: 'xterm' },
    }).result;
    expect(result.stdout).toContain('[y/N]');
    expect([result.code, result.stdout]).toEqual([
      130,
      expect.stringContaining('error: cancelled in phase `question`'),
    ]);
  });
});

describe('Ctrl-C twice', () => {
  it.each(['hang-decode=3', 'never-ready', 'hang-prefill=2'])(
    'quits at once with 130 and leaves no engine, though it ignores SIGTERM: %s',
    async (fault) => {
      using home = prepared.trial();
      const running = startAsking(home, { faults: [fault, 'tree'] });
      await written(running, 'stderr', fault === 'never-ready' ? ' load ' : 'engine Fake');
      running.child.kill('SIGINT');
      running.child.kill('SIGINT');
      expect((await running.result).code).toBe(130);
      await expectNothingLeft(home.path);
    },
  );
});

describe('SIGTERM and SIGHUP', () => {
  it.each(['SIGTERM', 'SIGHUP'] as const)('%s ends the work as Ctrl-C does', async (signal) => {
    using home = prepared.trial();
    const running = startAsking(home, { faults: ['hang-decode=3'] });
    await written(running, 'stdout', 'three');
    running.child.kill(signal);
    const result = await running.result;
    expect([result.code, result.stdout]).toEqual([130, 'one two three\n']);
    await expectNothingLeft(home.path);
  });
});

describe('a reader that leaves', () => {
  it('ends the CLI without an error, and the engine with it', async () => {
    using home = prepared.trial();
    const running = startAsking(home, {
      words: ['count', '--max-tokens', '900'],
      faults: ['token-delay=5'],
    });
    running.child.stdout?.once('data', () => running.child.stdout?.destroy());
    const result = await running.result;
    expect([result.code, result.isLate]).toEqual([0, false]);
    expect(result.stderr).not.toContain('error');
    await expectNothingLeft(home.path);
  });

  it('of a pipe, `| head -c 5`, gets five bytes', async () => {
    using home = prepared.trial();
    const result = await startAsking(home, {
      words: ['count', '--max-tokens', '900', '--quiet'],
      faults: ['token-delay=5'],
      more: { prefix: ['/bin/sh', '-c', '"$@" | head -c 5', 'sh'] },
    }).result;
    expect(transcript(result, home.path)).toBe('exit 0\n--- stdout\none t');
    await expectNothingLeft(home.path);
  });
});

/** Until the engine of this home answers a request that is not the warm-up. */
async function answering(running: RunningCli, home: string): Promise<void> {
  let isAnswering = false;
  const look = async (): Promise<void> => {
    while (!isAnswering && running.child.exitCode === null) {
      const [file] = filesIn(sessionsFolder(home));
      const ledger = file === undefined ? null : readLedger(file);
      const address = ledger?.['address'] as Address | undefined;
      if (ledger?.['state'] === 'ready' && address !== undefined) {
        const page = await getText(address, '/metrics', { deadlineMs: 5000, signal: null });
        isAnswering = page?.text.includes('requests_processing 1') ?? false;
      }
    }
  };
  await Promise.race([look(), running.result]);
  if (!isAnswering) throw new Error(`it ended: ${running.output().stderr}`);
}

function filesIn(folder: string): readonly string[] {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.json'))
        .map((name) => join(folder, name))
    : [];
}

/** Until an engine of this home has been spawned. */
async function settled(running: RunningCli, home: string): Promise<void> {
  const isThere = (): boolean =>
    processesOfHome(home).some(({ commandLine }) => commandLine.includes('e.sock'));
  await until('an engine', () => isThere() || running.child.exitCode !== null, CLI_DEADLINE_MS);
}

interface SilentIndex {
  readonly env: Readonly<Record<string, string>>;
  readonly isAsked: () => boolean;
  [Symbol.dispose](): void;
}

/** A package index that takes connections and never answers. */
async function silentIndex(): Promise<SilentIndex> {
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
  });
  const url = await new Promise<string>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      resolve(`http://127.0.0.1:${port}/simple`);
    });
  });
  return {
    env: {
      PIP_INDEX_URL: url,
      UV_INDEX_URL: url,
      UV_DEFAULT_INDEX: url,
      PIP_NO_CACHE_DIR: '1',
      PIP_FIND_LINKS: '',
    },
    isAsked: () => connections > 0,
    [Symbol.dispose]: () => void server.close(),
  };
}
