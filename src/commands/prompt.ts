/** Answers: what is the prompt? The words of the command line, and stdin before them. */
import { fail, HyperLlamaError } from '../base/errors.ts';
import { fs } from '../base/fs.ts';

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
  const wanted = { isOnly: isStdinOnly, isRequired: isStdinOnly || text === '' };
  const stdin = await readStdin(wanted);
  const prompt = [stdin.trimEnd(), text].filter((part) => part !== '').join('\n\n');
  if (prompt !== '') return prompt;
  return fail('HL_USAGE', {
    problem: 'there is no prompt: give one as an argument or on stdin',
    command: 'generate',
  });
}

interface Wanted {
  /** `-`: there are no words beside it. */
  readonly isOnly: boolean;
  readonly isRequired: boolean;
}

async function readStdin({ isOnly, isRequired }: Wanted): Promise<string> {
  const kind = stdinKind();
  // At a terminal only who wrote `-` is about to type, until Ctrl-D.
  if (kind === 'none' || (kind === 'device' && !(isOnly && process.stdin.isTTY))) return '';
  const stream = kind === 'device' ? openTerminal() : process.stdin;
  const chunks: Buffer[] = [];
  let bytes = 0;
  return await new Promise<string>((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      process.off('SIGINT', cancel);
      stream.destroy();
    };
    const finish = (): void => {
      end();
      resolve(Buffer.concat(chunks).toString('utf8'));
    };
    const cancel = (): void => {
      end();
      reject(new HyperLlamaError('HL_CANCELLED', { phase: 'prompt' }));
    };
    process.once('SIGINT', cancel);
    const timer =
      kind === 'socket' && !isRequired ? setTimeout(finish, SOCKET_FIRST_BYTE_MS) : undefined;
    stream.on('data', (chunk: Buffer) => {
      clearTimeout(timer);
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= STDIN_BYTES_MAX) return;
      end();
      const value = `more than ${STDIN_BYTES_MAX} bytes`;
      const expected = 'a shorter prompt';
      reject(new HyperLlamaError('HL_OPTION_INVALID', { option: 'stdin', value, expected }));
    });
    stream.once('end', finish);
    // Unreadable (closed by the caller): as if there were none.
    stream.once('error', finish);
  });
}

/** Opened anew: process.stdin that has ended could not take the answer to a question any more. */
function openTerminal(): NodeJS.ReadStream {
  try {
    const { ReadStream } = process.getBuiltinModule('node:tty');
    return new ReadStream(fs.openSync('/dev/tty', 'r+'));
  } catch {
    // A program that left its terminal behind has only stdin.
    return process.stdin;
  }
}

/** Of the descriptor: making `process.stdin` loads streams and sockets, 6 ms of each start. */
function stdinKind(): 'device' | 'pipe' | 'socket' | 'none' {
  try {
    const stat = fs.fstatSync(0);
    if (stat.isCharacterDevice()) return 'device';
    if (stat.isSocket()) return 'socket';
    return stat.isFIFO() || stat.isFile() ? 'pipe' : 'none';
  } catch {
    return 'none';
  }
}
