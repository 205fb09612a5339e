/** A door before an engine: what it passes on, and what it holds back until the answer has begun. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDoor } from '../../../src/gateway/door.ts';

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
  /** It broke off before its end. */
  readonly isCut: boolean;
}

async function ask(url: string, body: string): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const asked = request(url, { method: 'POST' }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      answer.on('error', () => undefined);
      answer.on('close', () => {
        const { statusCode: status = 0, headers } = answer;
        resolve({ status, type: headers['content-type'], text, isCut: !answer.complete });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

async function behindDoor(
  engine: (response: ServerResponse, body: string) => void,
  check: (url: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync('/tmp/hld-');
  const path = join(folder, 's.sock');
  const server = createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    incoming.on('end', () => engine(response, `${incoming.url ?? ''} ${body}`));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const door = await openDoor(() => ({ kind: 'unix', path }));
  try {
    await check(door.url);
  } finally {
    await door.end();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
}

const TOKEN = '{"choices":[{"delta":{"content":"To"}}]}';

describe('a door', () => {
  it('passes request and answer on, with status and type', async () => {
    await behindDoor(
      (response, asked) => {
        response.writeHead(404, { 'content-type': 'text/x' });
        response.end(asked);
      },
      async (url) => {
        expect(await ask(`${url}/a?b=c`, 'body')).toEqual({
          status: 404,
          type: 'text/x',
          text: '/a?b=c body',
          isCut: false,
        });
      },
    );
  });

  it('answers 502 for an engine that says 200 and ends before its first byte', async () => {
    await behindDoor(
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
        response.socket?.destroySoon();
      },
      async (url) => {
        const answer = await ask(url, '');
        expect([answer.status, answer.isCut]).toEqual([502, false]);
        expect(JSON.parse(answer.text)).toMatchObject({ error: { type: 'engine_gone' } });
      },
    );
  });

  it.each([
    ['a role', '{"choices":[{"delta":{"role":"assistant","content":null}}]}'],
    ['progress', '{"choices":[],"prompt_progress":{"total":9,"processed":3}}'],
  ])('answers 502 for an engine that ends when it has sent no more than %s', async (_, event) => {
    await behindDoor(
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`: ping\n\ndata: ${event}\n\n`, () => response.socket?.destroy());
      },
      async (url) => {
        expect((await ask(url, '')).status).toBe(502);
      },
    );
  });

  it('passes on what it held back, whole and in order', async () => {
    const events = ['{"choices":[{"delta":{"role":"assistant"}}]}', TOKEN, '[DONE]'];
    const stream = events.map((event) => `data: ${event}\n\n`).join('');
    await behindDoor(
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const character of stream) response.write(character);
        response.end();
      },
      async (url) => {
        expect(await ask(url, '')).toMatchObject({ status: 200, text: stream, isCut: false });
      },
    );
  });

  it('cuts an answer that the engine cuts after its first token', async () => {
    await behindDoor(
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`data: ${TOKEN}\n\n`, () => response.socket?.destroy());
      },
      async (url) => {
        expect(await ask(url, '')).toMatchObject({ status: 200, isCut: true });
      },
    );
  });

  it.each([
    ['and goes', true],
    ['and takes no more of it', false],
  ])(
    'passes on the refusal of an engine that answers before the body is sent, %s',
    async (_, goes) => {
      const path = join(mkdtempSync('/tmp/hld-'), 's.sock');
      const server = createServer((incoming, response) => {
        incoming.pause();
        response.writeHead(413, { 'content-type': 'application/json', connection: 'close' });
        response.end('{"error":"too large"}', () => goes && incoming.socket.destroySoon());
      });
      await new Promise<void>((resolve) => server.listen(path, resolve));
      const door = await openDoor(() => ({ kind: 'unix', path }));
      // More than all the buffers on the way hold.
      const answer = await ask(door.url, 'x'.repeat(20_000_000));
      expect(answer).toMatchObject({ status: 413, text: '{"error":"too large"}', isCut: false });
      await door.end();
      server.closeAllConnections();
      server.close();
      rmSync(join(path, '..'), { recursive: true });
    },
  );

  it('answers 502 when nobody knows where the engine is', async () => {
    const door = await openDoor(() => {
      throw new Error('it was never started');
    });
    const answer = await ask(door.url, 'x');
    expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('never started')]);
    await door.end();
  });

  it('answers 502 while no engine is there', async () => {
    const door = await openDoor(() => ({ kind: 'unix', path: '/tmp/hld-nobody.sock' }));
    expect((await ask(door.url, '')).status).toBe(502);
    await door.end();
  });

  it('lets the engine go when the one who asked has gone', async () => {
    const gone = Promise.withResolvers<void>();
    await behindDoor(
      (response) => {
        response.writeHead(200);
        response.write('data: 1\n\n');
        response.once('close', gone.resolve);
      },
      async (url) => {
        const asked = request(url, { method: 'POST' }, (answer) => {
          answer.once('data', () => asked.destroy());
          answer.on('error', () => undefined);
        });
        asked.on('error', () => undefined);
        asked.end('x');
        // Only the end of the engine's side settles this; without it the test runs out of time.
        expect(await gone.promise).toBeUndefined();
      },
    );
  });

  it('refuses a request larger than any, and is there for the next one', async () => {
    await behindDoor(
      (response) => response.end('{}'),
      async (url) => {
        const large = await ask(url, 'x'.repeat(65 * 1024 * 1024));
        expect([large.status, large.text]).toEqual([413, expect.stringContaining('64 MiB')]);
        expect((await ask(url, '{}')).status).toBe(200);
      },
    );
  });
});
