/** Does the load loop keep its bounds, and read what arrived as it arrived? */
import { describe, expect, test } from 'vitest';
import { runLoad, type LoadOptions } from '../../../src/measure/load.ts';
import { answer, finish, send, streamServer, text, usage } from './stream-server.ts';

const MINUTE_MS = 60_000;

function loadOf(
  server: { address: LoadOptions['address'] },
  options: Partial<LoadOptions> = {},
): LoadOptions {
  return {
    address: server.address,
    concurrency: 1,
    requestsMax: 1,
    durationMsMax: MINUTE_MS,
    requestFor: (index) => ({
      path: '/v1/chat/completions',
      body: { messages: [{ role: 'user', content: `request ${index}` }] },
      warnings: [],
    }),
    signal: null,
    ...options,
  };
}

describe('bounds', () => {
  test('sends as many requests as asked, each once', async () => {
    await using server = await streamServer((response) => answer(response, ['a', 'b']));
    const load = await runLoad(loadOf(server, { concurrency: 3, requestsMax: 10 }));
    expect(load.answers).toHaveLength(10);
    expect(load.failures).toEqual([]);
    const asked = server.asked.map(({ body }) => body.messages[0]?.content);
    expect(new Set(asked).size).toBe(10);
  });

  test('keeps the set number of requests in flight, no more and no fewer', async () => {
    let waiting: (() => void)[] = [];
    let most = 0;
    await using server = await streamServer(async (response) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        most = Math.max(most, waiting.length);
        // Answers only once four wait: with fewer in flight the run would never end.
        if (waiting.length < 4) return;
        for (const go of waiting) go();
        waiting = [];
      });
      answer(response, ['a']);
    });
    const load = await runLoad(loadOf(server, { concurrency: 4, requestsMax: 12 }));
    expect(most).toBe(4);
    expect(load.concurrencyReached).toBe(4);
    expect(load.answers).toHaveLength(12);
  });

  test('sends nothing when the time is over', async () => {
    await using server = await streamServer((response) => answer(response, ['a']));
    const load = await runLoad(loadOf(server, { requestsMax: 5, durationMsMax: 0 }));
    expect(load.answers).toEqual([]);
    expect(server.asked).toHaveLength(0);
  });

  test('says a concurrency that the requests never reached', async () => {
    await using server = await streamServer((response) => answer(response, ['a']));
    const load = await runLoad(loadOf(server, { concurrency: 8, requestsMax: 2 }));
    expect(load.concurrencySet).toBe(8);
    expect(load.concurrencyReached).toBe(2);
  });

  test('keeps complete answers when it is cancelled, and drops the one under way', async () => {
    const stop = new AbortController();
    await using server = await streamServer((response, { number }) => {
      if (number < 2) return answer(response, ['a']);
      send(response, text('half'));
      stop.abort();
    });
    const load = await runLoad(loadOf(server, { requestsMax: 10, signal: stop.signal }));
    expect(load.isCancelled).toBe(true);
    expect(load.answers.map((one) => one.text)).toEqual(['a', 'a']);
    expect(load.failures).toEqual([]);
  });
});

describe('answers', () => {
  test('take the tokens from the usage, not from the events', async () => {
    await using server = await streamServer((response) => answer(response, ['ab', 'cd', 'ef'], 7));
    const { answers } = await runLoad(loadOf(server));
    expect(answers[0]?.text).toBe('abcdef');
    expect(answers[0]?.textAtMs).toHaveLength(3);
    expect(answers[0]?.sample).toMatchObject({ promptTokens: 12, outputTokens: 7, textEvents: 3 });
  });

  test('begin with text: a role and an empty chunk before it are not the first token', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using server = await streamServer(async (response) => {
      send(response, { choices: [{ delta: { role: 'assistant', content: null } }] }, text(''));
      await released;
      answer(response, ['a', 'b']);
    });
    const running = runLoad(loadOf(server));
    // The head of the answer is there before the text: only then may the text follow.
    await expect.poll(() => server.asked.length).toBe(1);
    const between = performance.now();
    release();
    const { answers } = await running;
    expect(answers[0]?.textAtMs[0]).toBeGreaterThanOrEqual(between);
    expect(answers[0]?.sample.textEvents).toBe(2);
  });

  test('end with text: a usage event that comes later does not count', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: sent, resolve: headSent } = Promise.withResolvers<void>();
    await using server = await streamServer(async (response) => {
      send(response, text('a'), text('b'), finish());
      response.write(': ping\n\n', () => headSent());
      await released;
      send(response, usage(12, 2));
      response.end('data: [DONE]\n\n');
    });
    const running = runLoad(loadOf(server));
    await sent;
    // Two turns of the loop on one machine: the client has read what was flushed before.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    release();
    const { answers } = await running;
    const [one] = answers;
    expect(one?.sample.totalMs).toBeCloseTo((one?.textAtMs.at(-1) ?? 0) - (one?.sentAtMs ?? 0), 6);
    expect(one?.textAtMs.at(-1)).toBeLessThanOrEqual(one?.endedAtMs ?? 0);
  });

  test('survive bytes that are split inside a character', async () => {
    await using server = await streamServer((response) => {
      const bytes = Buffer.from(
        [text('Zürich '), text('日本'), finish(), usage(3, 2)]
          .map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`)
          .join(''),
      );
      for (const byte of bytes) response.write(Buffer.of(byte));
      response.end('data: [DONE]\n\n');
    });
    const { answers, failures } = await runLoad(loadOf(server));
    expect(failures).toEqual([]);
    expect(answers[0]?.text).toBe('Zürich 日本');
  });

  test('carry stamps in order', async () => {
    await using server = await streamServer((response) => answer(response, ['a', 'b', 'c']));
    const { answers, startedAtMs, endedAtMs } = await runLoad(loadOf(server));
    const [one] = answers;
    const stamps = [
      startedAtMs,
      one?.sentAtMs ?? -1,
      ...(one?.textAtMs ?? []),
      one?.endedAtMs ?? -1,
      endedAtMs,
    ];
    expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
  });
});

describe('failures', () => {
  test('are told apart from answers, with the engine’s words', async () => {
    await using server = await streamServer((response, { number }) => {
      if (number === 0) {
        response.writeHead(400, { 'content-type': 'application/json' });
        response.end('{"error":{"message":"no such model","type":"invalid_request_error"}}');
      } else if (number === 1) {
        send(response, text('a'), { error: { message: 'decode failed' } });
        response.end('data: [DONE]\n\n');
      } else if (number === 2) {
        send(response, text('a'));
        response.end();
      } else answer(response, ['fine']);
    });
    const load = await runLoad(loadOf(server, { requestsMax: 4 }));
    expect(load.answers.map((one) => one.text)).toEqual(['fine']);
    expect(load.failures).toEqual([
      'status 400: no such model',
      'decode failed',
      'the stream ended without a finish reason',
    ]);
  });

  test('of a dead engine end the run after three in a row', async () => {
    await using server = await streamServer((response) => void response.destroy());
    const load = await runLoad(loadOf(server, { requestsMax: 1000 }));
    expect(load.answers).toEqual([]);
    expect(load.failures).toHaveLength(3);
  });
});
