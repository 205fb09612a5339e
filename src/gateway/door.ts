/**
 * Answers: how an engine on its private socket is reached at a port by a router, which may send a
 * request elsewhere only until its answer has begun. The status is therefore held back until the
 * first bytes of the answer are there: llama.cpp says 200 when it begins to read the prompt (build
 * 11549), and what is lost from then to the first token could not be saved any more.
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
import { LOOPBACK } from '../launch/ports.ts';

export interface Door {
  /** `http://127.0.0.1:41234` */
  readonly url: string;
  /** Cuts what is still under way. */
  end(): Promise<void>;
}

/** Of one connection only: RFC 9110, section 7.6.1. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'upgrade'];

/** `engine` is asked for each request: an engine that is started again may listen elsewhere. */
export async function openDoor(engine: () => Address): Promise<Door> {
  const server = createServer((incoming, outgoing) => {
    // Failures are answered inside; a client that went away is none.
    void pass(incoming, outgoing, engine()).catch(() => outgoing.destroy());
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
  address: Address,
): Promise<void> {
  const upstream = ask({
    ...target(address),
    method: incoming.method,
    path: incoming.url,
    headers: withoutHops(incoming.headers),
    agent: false,
  });
  // Who asked is gone: the engine need not go on.
  outgoing.once('close', () => upstream.destroy());
  const sent = pipeline(incoming, upstream);
  let answer: IncomingMessage;
  let first: Buffer | null;
  try {
    [answer] = await Promise.all([answerTo(upstream), sent]);
    first = await firstBytes(answer);
  } catch (error) {
    return refuse(outgoing, error instanceof Error ? error.message : String(error));
  }
  outgoing.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
  if (first !== null) outgoing.write(first);
  // A stream that breaks off breaks off here too: the other side must not take it for whole.
  await pipeline(answer, outgoing);
}

function target(address: Address): RequestOptions {
  return address.kind === 'unix'
    ? { socketPath: address.path }
    : { host: address.host, port: address.port };
}

async function answerTo(upstream: ReturnType<typeof ask>): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    upstream.once('response', resolve);
    upstream.once('error', reject);
  });
}

/** `null` = an answer without a body. Rejects when it breaks off before. */
async function firstBytes(answer: IncomingMessage): Promise<Buffer | null> {
  return await new Promise((resolve, reject) => {
    const onReadable = (): void => {
      const chunk = answer.read() as Buffer | null;
      if (chunk === null) return;
      answer.off('readable', onReadable);
      resolve(chunk);
    };
    answer.on('readable', onReadable);
    answer.once('end', () => resolve(null));
    answer.once('error', reject);
    answer.once('close', () => reject(new Error('the engine is gone')));
  });
}

function refuse(outgoing: ServerResponse, because: string): void {
  const body = JSON.stringify({ error: { message: because, type: 'engine_gone', code: 502 } });
  outgoing.writeHead(502, { 'content-type': 'application/json' });
  outgoing.end(body);
}

function withoutHops(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
}
