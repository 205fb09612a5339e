/** Answers: what is the prompt? The words of the command line, and stdin before them. */
import { fstatSync } from 'node:fs';
import { fail } from '../base/errors.ts';

/** A prompt is text for a model: the largest contexts hold a few megabytes. */
const STDIN_BYTES_MAX = 64 * 1024 * 1024;
/**
 * A program that started us without closing its end leaves a silent socket as stdin; a shell's
 * pipe or file always ends. So only sockets are given up, after this long without a byte.
 */
const SOCKET_FIRST_BYTE_MS = 500;

export async function promptFrom(words: readonly string[]): Promise<string> {
  const isStdinOnly = words.length === 1 && words[0] === '-';
  const text = isStdinOnly ? '' : words.join(' ');
  const stdin = await readStdin({ isRequired: isStdinOnly || text === '' });
  const prompt = [stdin.trimEnd(), text].filter((part) => part !== '').join('\n\n');
  if (prompt !== '') return prompt;
  return fail('HL_USAGE', {
    problem: 'there is no prompt: give one as an argument or on stdin',
    command: 'generate',
  });
}

async function readStdin({ isRequired }: { isRequired: boolean }): Promise<string> {
  if (process.stdin.isTTY) return '';
  const kind = stdinKind();
  if (kind === 'none') return '';
  const stream = process.stdin;
  const chunks: Buffer[] = [];
  let bytes = 0;
  return await new Promise<string>((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      stream.destroy();
      resolve(Buffer.concat(chunks).toString('utf8'));
    };
    const timer =
      kind === 'socket' && !isRequired ? setTimeout(finish, SOCKET_FIRST_BYTE_MS) : undefined;
    stream.on('data', (chunk: Buffer) => {
      clearTimeout(timer);
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= STDIN_BYTES_MAX) return;
      stream.destroy();
      const value = `more than ${STDIN_BYTES_MAX} bytes`;
      try {
        fail('HL_OPTION_INVALID', { option: 'stdin', value, expected: 'a shorter prompt' });
      } catch (error) {
        reject(error);
      }
    });
    stream.once('end', finish);
    // Unreadable (closed by the caller): as if there were none.
    stream.once('error', finish);
  });
}

function stdinKind(): 'pipe' | 'socket' | 'none' {
  try {
    const stat = fstatSync(0);
    if (stat.isSocket()) return 'socket';
    return stat.isFIFO() || stat.isFile() ? 'pipe' : 'none';
  } catch {
    return 'none';
  }
}
