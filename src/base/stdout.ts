/**
 * Answers: how text reaches stdout. An answer goes straight to the descriptor: Node's stream for it
 * (tty, net and the stream modules) costs 3 ms of a start that takes 25.
 */

const STDOUT = 1;

let stream: NodeJS.WriteStream | null = null;

/** An answer that is there as a whole: returns when the reader has it. */
export function writeStdout(text: string): void {
  // Order is kept by one way out; and a console of Windows shows UTF-8 through its stream only.
  if (stream !== null || process.platform === 'win32') return writeStdoutPart(text);
  const { writeSync } = process.getBuiltinModule('node:fs');
  let rest: Uint8Array = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(STDOUT, rest));
  } catch (error) {
    // writeSync throws nothing but the kernel's errors.
    const problem = error as NodeJS.ErrnoException;
    // The pipe is full and does not block, as whoever made it wanted: the stream waits for room.
    if (problem.code === 'EAGAIN') writeStdoutPart(rest);
    else endUnwritten(problem);
  }
}

/** A part of an answer that is still growing: a slow reader does not hold up the program. */
export function writeStdoutPart(part: string | Uint8Array): void {
  stream ??= process.stdout.on('error', endUnwritten);
  stream.write(part);
}

/** A closed pipe (`| head`) is the reader's wish to stop, not an error. */
function endUnwritten({ code, message }: NodeJS.ErrnoException): never {
  if (code === 'EPIPE') process.exit(0);
  process.stderr.write(`error: the answer could not be written: ${message}\n`);
  process.exit(1);
}
