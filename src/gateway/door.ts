/**
 * Answers: how an engine on its private socket is reached at a port by a router, which may send a
 * request elsewhere only until its answer has begun. An answer is therefore held back until its first
 * token is there: llama.cpp says 200 when it begins to read the prompt (build 11549), and what is lost
 * from then on could not be saved any more.
 */
import {
  createServer,
  request as ask,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Address } from '../base/http.ts';
import { SseReader } from '../base/sse.ts';
import { formatBytes, MIB } from '../base/units.ts';
import { readParts } from '../engines/parts.ts';
import { LOOPBACK } from '../launch/ports.ts';

export interface Door {
  /** `http://127.0.0.1:41234` */
  readonly url: string;
  /** Cuts what is still under way. */
  end(): Promise<void>;
}

/** No role, progress and keep-alives before a first token are so long. */
const HELD_BYTES_MAX = 1024 * 1024;
/** A million tokens of text are 5 MB, a large picture as text 20. */
const BODY_BYTES_MAX = 64 * MIB;
const TOO_LARGE: Refusal = {
  status: 413,
  type: 'request_too_large',
  message: `the request is larger than ${formatBytes(BODY_BYTES_MAX)}`,
};
/** Of one connection only: RFC 9110, section 7.6.1. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'upgrade'];

/** `engine` is asked for each request: an engine that is started again may listen elsewhere. */
export async function openDoor(engine: () => Address): Promise<Door> {
  const server = createServer((incoming, outgoing) => {
    // Failures are answered inside; a client that went away is none.
    void pass(incoming, outgoing, engine).catch(() => outgoing.destroy());
  });
  // A prefill is silent for as long as it takes; the router has limits of its own.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, LOOPBACK, resolve);
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  return {
    url: `http://${LOOPBACK}:${port}`,
    end: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  engine: () => Address,
): Promise<void> {
  const body = await bodyOf(incoming);
  if (body === null) return refuse(outgoing, TOO_LARGE);
  let answer: IncomingMessage;
  let first: Buffer;
  try {
    answer = await answerTo({ incoming, body }, outgoing, engine());
    first = await beginning(answer);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return refuse(outgoing, { status: 502, type: 'engine_gone', message });
  }
  outgoing.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
  if (first.length > 0) outgoing.write(first);
  // A stream that breaks off breaks off here too: the other side must not take it for whole.
  await pipeline(answer, outgoing);
}

function target(address: Address): RequestOptions {
  return address.kind === 'unix'
    ? { socketPath: address.path }
    : { host: address.host, port: address.port };
}

/** `null` = it is larger than a request may be; read to its end, so that the answer is heard. */
async function bodyOf(incoming: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    else chunks.length = 0;
  }
  return bytes <= BODY_BYTES_MAX ? Buffer.concat(chunks) : null;
}

/**
 * The body goes in one piece: an engine that refuses it at the headers ends the connection under
 * whoever writes on, and its answer is read before the next write of the same piece, not of another.
 * No time is lost, for an engine begins when it has all of it.
 */
async function answerTo(
  { incoming, body }: { readonly incoming: IncomingMessage; readonly body: Buffer },
  outgoing: ServerResponse,
  address: Address,
): Promise<IncomingMessage> {
  const upstream = ask({
    ...target(address),
    method: incoming.method,
    path: incoming.url,
    headers: withoutHops(incoming.headers),
    agent: false,
  });
  // Who asked is gone: the engine need not go on.
  outgoing.once('close', () => upstream.destroy());
  upstream.end(body);
  return await new Promise((resolve, reject) => {
    upstream.once('response', resolve);
    // Heard for good: what cannot be sent any more says nothing once there is an answer.
    upstream.on('error', reject);
  });
}

/** What came up to the first token, or the first bytes of another page. Rejects when it breaks off before. */
async function beginning(answer: IncomingMessage): Promise<Buffer> {
  const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true;
  const held: Buffer[] = [];
  let heldBytes = 0;
  let hasToken = !isStream;
  const reader = new SseReader((data) => (hasToken ||= isToken(data)));
  return await new Promise((resolve, reject) => {
    const finish = (): void => {
      answer.off('readable', onReadable);
      resolve(Buffer.concat(held));
    };
    const onReadable = (): void => {
      for (;;) {
        const chunk = answer.read() as Buffer | null;
        if (chunk === null) return;
        held.push(chunk);
        heldBytes += chunk.length;
        if (isStream) reader.feed(chunk);
        if (hasToken || heldBytes > HELD_BYTES_MAX) return finish();
      }
    };
    answer.on('readable', onReadable);
    answer.once('end', finish);
    answer.once('error', reject);
    answer.once('close', () => reject(new Error('the engine is gone')));
  });
}

/** A role or the progress of a prompt, and nothing else, is no token yet. */
function isToken(data: string): boolean {
  if (!/"(?:role|prompt_progress)"/.test(data)) return true;
  return readParts(data).some(({ kind }) => kind !== 'prefill');
}

interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly message: string;
}

function refuse(outgoing: ServerResponse, { status, type, message }: Refusal): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' });
  outgoing.end(JSON.stringify({ error: { message, type, code: status } }));
}

function withoutHops(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
}
