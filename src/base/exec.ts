/**
 * Answers: what a short-lived command printed. Never throws: a missing, failing or hanging tool is
 * a value, because on most machines most tools are missing.
 */
import { spawn } from 'node:child_process';

export type CommandResult =
  | {
      readonly kind: 'exited';
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'killed'; readonly signal: string };

export interface CommandLimits {
  /** The child gets SIGKILL when it is still there. */
  readonly deadlineMs: number;
  /** Output beyond it is dropped. */
  readonly outputBytesMax?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Kills the child; the result is then `missing`, and the caller looks at the signal. */
  readonly signal?: AbortSignal;
}

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export async function runCommand(
  file: string,
  args: readonly string[],
  limits: CommandLimits,
): Promise<CommandResult> {
  const bytesMax = limits.outputBytesMax ?? OUTPUT_BYTES_MAX;
  return await new Promise((resolve) => {
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: limits.env ?? process.env,
      ...(limits.cwd === undefined ? {} : { cwd: limits.cwd }),
      ...(limits.signal === undefined ? {} : { signal: limits.signal, killSignal: 'SIGKILL' }),
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      // Neither the exit nor `close` is waited for: a tool that hangs inside a driver does not die
      // of SIGKILL, and a grandchild may keep the pipes open for ever.
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve({ kind: 'timeout' });
    }, limits.deadlineMs);
    const stdout = collect(child.stdout, bytesMax);
    const stderr = collect(child.stderr, bytesMax);
    child.once('error', () => {
      clearTimeout(timer);
      resolve({ kind: 'missing' });
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === null) resolve({ kind: 'killed', signal: signal ?? 'unknown' });
      else resolve({ kind: 'exited', code, stdout: stdout(), stderr: stderr() });
    });
  });
}

/** The standard output of a command that ended with 0, else `null`. */
export async function commandOutput(
  file: string,
  args: readonly string[],
  limits: CommandLimits,
): Promise<string | null> {
  const result = await runCommand(file, args, limits);
  return result.kind === 'exited' && result.code === 0 ? result.stdout : null;
}

function collect(stream: NodeJS.ReadableStream, bytesMax: number): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < bytesMax) chunks.push(chunk.subarray(0, bytesMax - bytes));
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
