/** What clients notice of a kill: each request's fate, from streams as routers were seen to send. */
import { describe, expect, it } from 'vitest';
import type { AdaptedRequest } from '../../../src/engines/request.ts';
import { runFailover, type Failover } from '../../../src/measure/failover.ts';
import { finish, send, streamServer, text, type Script } from './stream-server.ts';

const requestFor = (index: number): AdaptedRequest => ({
  path: '/v1/chat/completions',
  body: { messages: [{ role: 'user', content: String(index) }] },
  warnings: [],
});

async function run(
  script: Script,
  change: { readonly requests?: number; readonly kill?: (() => void) | null } = {},
): Promise<Failover> {
  await using server = await streamServer(script);
  return await runFailover({
    address: server.address,
    requests: 8,
    concurrency: 2,
    requestFor,
    kill: null,
    signal: new AbortController().signal,
    ...change,
  });
}

describe('a failover run', () => {
  it('counts answers, and failures before and after the first token', async () => {
    const result = await run((response, { number }) => {
      response.writeHead(number === 3 ? 503 : 200);
      if (number === 3) return void response.end('{"error":{"message":"no engine is left"}}');
      send(response, text('a'));
      // A router ends a broken stream like a whole one.
      if (number === 5) send(response, { error: { message: 'stream_error', type: 'x' } }, finish());
      else send(response, finish());
      response.end('data: [DONE]\n\n');
    });
    expect(result).toMatchObject({
      requests: 8,
      answered: 6,
      failedBeforeFirstToken: 1,
      failedAfterFirstToken: 1,
    });
    expect(result.reasons.toSorted()).toEqual(['status 503: no engine is left', 'stream_error']);
  });

  it('kills once, when a quarter is answered and requests run', async () => {
    const kills: number[] = [];
    let answered = 0;
    const result = await run(
      (response) => {
        response.writeHead(200);
        send(response, text('a'), finish());
        answered += 1;
        response.end();
      },
      { requests: 16, kill: () => void kills.push(answered) },
    );
    expect(kills).toHaveLength(1);
    expect(kills[0]).toBeGreaterThanOrEqual(4);
    expect(kills[0]).toBeLessThan(16);
    expect(result.inFlightAtKill).toBe(2);
    expect(result.begunAtKill).toBeGreaterThanOrEqual(1);
  });

  it('takes a stream that just ends for a failure', async () => {
    const result = await run((response, { number }) => {
      response.writeHead(200);
      send(response, text('a'), ...(number === 0 ? [] : [finish()]));
      response.end();
    });
    expect(result).toMatchObject({ answered: 7, failedAfterFirstToken: 1 });
    expect(result.reasons).toEqual(['the stream ended without a finish reason']);
  });
});
