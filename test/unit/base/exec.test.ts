/** Short-lived commands: every way they end is a value. */
import { describe, expect, it } from 'vitest';
import { commandOutput, runCommand } from '../../../src/base/exec.ts';

const SHELL = '/bin/sh';
/** Far beyond what any of these takes: the deadline itself is under test in one case only. */
const DEADLINE_MS = 30_000;

describe('runCommand', () => {
  it('returns code and both streams', async () => {
    const script = 'echo out; echo err >&2; exit 3';
    expect(await runCommand(SHELL, ['-c', script], { deadlineMs: DEADLINE_MS })).toEqual({
      kind: 'exited',
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it.each(['hyperllama-no-such-program', '/etc/passwd'])('says missing for %s', async (file) => {
    expect(await runCommand(file, [], { deadlineMs: DEADLINE_MS })).toEqual({ kind: 'missing' });
  });

  it('names the signal that killed it', async () => {
    expect(await runCommand(SHELL, ['-c', 'kill -9 $$'], { deadlineMs: DEADLINE_MS })).toEqual({
      kind: 'killed',
      signal: 'SIGKILL',
    });
  });

  it('gives up at the deadline, also when a grandchild keeps the pipe open', async () => {
    const result = await runCommand(SHELL, ['-c', 'sleep 20 & sleep 20'], { deadlineMs: 100 });
    expect(result).toEqual({ kind: 'timeout' });
  });

  it('drops output beyond its limit and ends all the same', async () => {
    const result = await runCommand(SHELL, ['-c', 'head -c 300000 /dev/zero; echo end >&2'], {
      deadlineMs: DEADLINE_MS,
      outputBytesMax: 1000,
    });
    expect(result).toMatchObject({ kind: 'exited', code: 0, stderr: 'end\n' });
    expect(result.kind === 'exited' ? result.stdout.length : 0).toBe(1000);
  });

  it('ends at once when its signal is aborted', async () => {
    const controller = new AbortController();
    const running = runCommand('sleep', ['30'], {
      deadlineMs: DEADLINE_MS,
      signal: controller.signal,
    });
    controller.abort();
    expect((await running).kind).not.toBe('exited');
  });

  it('gives no stdin: a command that reads it sees its end', async () => {
    expect(await commandOutput('cat', [], { deadlineMs: DEADLINE_MS })).toBe('');
  });
});

describe('commandOutput', () => {
  it('is null for a command that fails', async () => {
    expect(
      await commandOutput(SHELL, ['-c', 'echo x; exit 1'], { deadlineMs: DEADLINE_MS }),
    ).toBeNull();
  });
});
