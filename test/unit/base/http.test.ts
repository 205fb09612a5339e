/** How bytes travel: a real loopback server on TCP and on a unix socket, with all it can do wrong. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  formatAddress,
  getText,
  postStream,
  StreamBroken,
  type Address,
  type StreamEnd,
  type StreamRequest,
} from '../../../src/base/http.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';
import { freePort } from '../../support/squatter.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Beyond anything here; the deadlines under test are given where they are tested. */
const FOREVER_MS = 60_000;

let home: TemporaryHome;
let server: Server;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  home[Symbol.dispose]();
});

async function serve(kind: Address['kind'], handler: Handler): Promise<Address> {
  server = createServer(handler);
  const path = join(home.path, 'e.sock');
  return await new Promise((resolve) => {
    if (kind === 'unix') {
      server.listen(path, () => resolve({ kind, path }));
    } else {
      server.listen(0, '127.0.0.1', () => {
        const bound = server.address();
        const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
        resolve({ kind, host: '127.0.0.1', port });
      });
    }
  });
}

interface Post {
  readonly end: StreamEnd;
  readonly text: string;
  readonly stampsMs: readonly number[];
}

async function post(address: Address, options: Partial<StreamRequest> = {}): Promise<Post> {
  let text = '';
  const stampsMs: number[] = [];
  const end = await postStream(address, {
    path: '/v1/x',
    body: { a: 1 },
    signal: null,
    firstByteDeadlineMs: FOREVER_MS,
    silenceDeadlineMs: FOREVER_MS,
    onChunk: (chunk, atMs) => {
      text += chunk.toString('utf8');
      stampsMs.push(atMs);
    },
    ...options,
  });
  return { end, text, stampsMs };
}

async function broken(running: Promise<unknown>): Promise<StreamBroken> {
  const thrown: unknown = await running.catch((error: unknown) => error);
  if (!(thrown instanceof StreamBroken)) throw new Error(`not broken but ${String(thrown)}`);
  return thrown;
}

describe.each(['unix', 'tcp'] as const)('postStream over %s', (kind) => {
  it('sends JSON, hands over every byte and stamps chunks in order', async () => {
    let seen = '';
    const address = await serve(kind, (request, response) => {
      request.on('data', (chunk: Buffer) => (seen += chunk.toString('utf8')));
      request.on('end', () => {
        expect(request.headers['content-type']).toBe('application/json');
        response.write('data: a\n\n');
        setImmediate(() => response.end('data: b\n\n'));
      });
    });
    const { end, text, stampsMs } = await post(address);
    expect([seen, text]).toEqual(['{"a":1}', 'data: a\n\ndata: b\n\n']);
    expect(end).toMatchObject({ status: 200, errorText: null });
    const times = [end.sentAtMs, end.firstByteAtMs ?? -1, ...stampsMs, end.endedAtMs];
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('keeps the body of a refusal for the error, not for the stream', async () => {
    const address = await serve(kind, (_, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"no messages"}}');
    });
    const { end, text } = await post(address);
    expect([end.status, end.errorText, text]).toEqual([
      400,
      '{"error":{"message":"no messages"}}',
      '',
    ]);
  });

  it('keeps at most about 64 KiB of a refusal', async () => {
    const address = await serve(kind, (_, response) => {
      response.writeHead(500);
      response.end('x'.repeat(10_000_000));
    });
    const { end } = await post(address);
    expect(end.errorText?.length).toBeGreaterThan(0);
    expect(end.errorText?.length).toBeLessThan(1_000_000);
  });

  it('says `reset` when the connection ends in the middle', async () => {
    const address = await serve(kind, (_, response) => {
      response.write('data: a\n\n');
      setImmediate(() => response.destroy());
    });
    expect((await broken(post(address))).why).toBe('reset');
  });
});

describe('postStream', () => {
  it('says `refused` where nobody listens', async () => {
    await serve('tcp', () => undefined);
    const port = await freePort();
    expect((await broken(post({ kind: 'tcp', host: '127.0.0.1', port }))).why).toBe('refused');
    const path = join(home.path, 'none.sock');
    expect((await broken(post({ kind: 'unix', path }))).why).toBe('refused');
  });

  it('gives up when no byte of the answer comes in time, and closes the connection', async () => {
    let isClosed = false;
    const address = await serve('tcp', (request) => {
      request.socket.once('close', () => (isClosed = true));
    });
    const error = await broken(post(address, { firstByteDeadlineMs: 300 }));
    expect(error.why).toBe('first-byte');
    expect(error.silenceMs).toBeGreaterThan(300);
    await expect.poll(() => isClosed).toBe(true);
  });

  it('gives up when the stream falls silent', async () => {
    const address = await serve('tcp', (_, response) => void response.write('data: a\n\n'));
    expect((await broken(post(address, { silenceDeadlineMs: 300 }))).why).toBe('silence');
  });

  it('counts silence as waiting until the answer has begun, whatever bytes came', async () => {
    const address = await serve('tcp', (_, response) => void response.write(': hello\n\n'));
    const options = { hasBegun: () => false, silenceDeadlineMs: 1, firstByteDeadlineMs: 600 };
    const error = await broken(post(address, options));
    expect([error.why, error.silenceMs > 600]).toEqual(['first-byte', true]);
  });

  it('gives up at the deadline for the beginning though the engine reports progress', async () => {
    const address = await serve('tcp', (_, response) => {
      const timer = setInterval(() => response.write(': progress\n\n'), 20);
      response.once('close', () => clearInterval(timer));
    });
    const options = { hasBegun: () => false, beginDeadlineMs: 500 };
    expect((await broken(post(address, options))).why).toBe('first-byte');
  });

  it('lets a slow stream live as long as it is not silent', async () => {
    const address = await serve('tcp', (_, response) => {
      let left = 8;
      const timer = setInterval(() => {
        left -= 1;
        response.write('x');
        if (left > 0) return;
        clearInterval(timer);
        response.end();
      }, 150);
    });
    expect((await post(address, { silenceDeadlineMs: 1000 })).text).toBe('x'.repeat(8));
  });

  it.each(['before', 'waiting', 'streaming'] as const)(
    'ends at once when cancelled: %s',
    async (when) => {
      const controller = new AbortController();
      let isClosed = when === 'before';
      const address = await serve('tcp', (request, response) => {
        request.socket.once('close', () => (isClosed = true));
        if (when === 'streaming') response.write('data: a\n\n');
        if (when === 'waiting') controller.abort();
      });
      if (when === 'before') controller.abort();
      const options = {
        signal: controller.signal,
        ...(when === 'streaming' ? { onChunk: () => controller.abort() } : {}),
      };
      expect((await broken(post(address, options))).why).toBe('cancelled');
      await expect.poll(() => isClosed).toBe(true);
    },
  );

  it('passes on what the reader of a chunk throws, as the cause', async () => {
    const address = await serve('tcp', (_, response) => response.end('x'));
    const error = await broken(
      post(address, {
        onChunk: () => {
          throw new RangeError('too large');
        },
      }),
    );
    expect(error.cause).toBeInstanceOf(RangeError);
  });
});

describe('getText', () => {
  it('is status and text of a page', async () => {
    const address = await serve('unix', (_, response) => response.writeHead(503).end('loading'));
    const limits = { deadlineMs: FOREVER_MS, signal: null };
    expect(await getText(address, '/health', limits)).toEqual({ status: 503, text: 'loading' });
  });

  it('is null where nobody answers in time, or nobody listens', async () => {
    const address = await serve('tcp', () => undefined);
    expect(await getText(address, '/', { deadlineMs: 200, signal: null })).toBeNull();
    const path = join(home.path, 'none.sock');
    const none = { kind: 'unix', path } as const;
    expect(await getText(none, '/', { deadlineMs: FOREVER_MS, signal: null })).toBeNull();
  });
});

it('writes an address as a person would look for it', async () => {
  await serve('tcp', () => undefined);
  expect(formatAddress({ kind: 'unix', path: '/r/e.sock' })).toBe('unix:/r/e.sock');
  expect(formatAddress({ kind: 'tcp', host: '127.0.0.1', port: 8 })).toBe('http://127.0.0.1:8');
});
