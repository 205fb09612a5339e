/** Does `bench` count what it says it counts, and keep it whatever happens? */
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import type { Address } from '../../../src/base/http.ts';
import type { Engine, LaunchPlan } from '../../../src/engines/engine.ts';
import type { GenerateRequest } from '../../../src/engines/request.ts';
import { GuardLink } from '../../../src/launch/guard-link.ts';
import { Session } from '../../../src/launch/session.ts';
import { benchPrompt, type PromptBenchOptions } from '../../../src/measure/bench-prompt.ts';
import { answer, send, streamServer, text } from './stream-server.ts';

const requests: GenerateRequest[] = [];

function sessionAt(address: Address): Session {
  requests.length = 0;
  const engine = {
    name: 'Scripted',
    adaptRequest: (request: GenerateRequest) => {
      requests.push(request);
      const body = { messages: request.messages };
      return { path: '/v1/chat/completions', body, warnings: [] };
    },
  };
  const plan = {
    contextTokens: 4096,
    model: { ref: 'm', artifact: { path: null } },
    readiness: { path: '/health', deadlineMs: 1000 },
    shutdown: { signal: 'SIGTERM', graceMs: 0 },
  };
  const facts = {
    key: 'k',
    // The members that one request uses; the rest of an engine and a plan is not looked at.
    engine: engine as unknown as Engine,
    plan: plan as unknown as LaunchPlan,
    address,
    startMs: 1,
    loadMs: 1,
    isAttached: false,
    logFile: '',
  };
  return new Session(facts, new GuardLink(new PassThrough(), new PassThrough()));
}

function optionsOf(changes: Partial<PromptBenchOptions> = {}): PromptBenchOptions {
  return {
    prompt: 'Why?',
    iterations: 3,
    warmups: 2,
    maxTokens: 4,
    temperature: 0,
    signal: new AbortController().signal,
    firstByteDeadlineMs: null,
    onIteration: () => undefined,
    ...changes,
  };
}

describe('bench of one prompt', () => {
  test('takes the asked iterations and leaves the warm-ups out', async () => {
    // The answer grows by a token each time, so that the samples say which requests they are.
    await using server = await streamServer((response, { number }) =>
      answer(
        response,
        Array.from({ length: number + 2 }, () => 'x'),
      ),
    );
    const seen: string[] = [];
    const onIteration = (kind: string, number: number): void => void seen.push(`${kind} ${number}`);
    const result = await benchPrompt(sessionAt(server.address), optionsOf({ onIteration }));
    expect(result.samples.map(({ outputTokens }) => outputTokens)).toEqual([4, 5, 6]);
    expect(result.isComplete).toBe(true);
    expect(seen).toEqual(['warm-up 1', 'warm-up 2', 'measure 1', 'measure 2', 'measure 3']);
  });

  test('asks greedily for exactly the tokens, each time with a cold prefix', async () => {
    await using server = await streamServer((response) => answer(response, ['x', 'y']));
    await benchPrompt(sessionAt(server.address), optionsOf());
    expect(requests).toHaveLength(5);
    expect(new Set(requests.map(({ messages }) => messages[0]?.content)).size).toBe(5);
    for (const request of requests) {
      expect(request).toMatchObject({
        maxTokens: 4,
        temperature: 0,
        ignoreEos: true,
        promptCache: false,
      });
      expect(request.messages[0]?.content).toMatch(/^\[\d{8}\] Why\?$/);
    }
  });

  test('ends at Ctrl-C with what was complete', async () => {
    const stop = new AbortController();
    await using server = await streamServer((response, { number }) => {
      if (number < 3) return answer(response, ['x', 'y']);
      send(response, text('half'));
      stop.abort();
    });
    const options = optionsOf({ signal: stop.signal });
    const result = await benchPrompt(sessionAt(server.address), options);
    expect(result.isComplete).toBe(false);
    expect(result.samples).toHaveLength(1);
  });

  test('sends nothing more when Ctrl-C came between two answers', async () => {
    const stop = new AbortController();
    await using server = await streamServer((response) => answer(response, ['x', 'y']));
    const onIteration = (kind: string, number: number): void => {
      if (kind === 'measure' && number === 1) stop.abort();
    };
    const options = optionsOf({ warmups: 0, signal: stop.signal, onIteration });
    const result = await benchPrompt(sessionAt(server.address), options);
    expect(result).toMatchObject({ samples: [], isComplete: false });
  });

  test('fails with the engine’s error and keeps the samples in its details', async () => {
    await using server = await streamServer((response, { number }) => {
      if (number < 4) return answer(response, ['x', 'y']);
      send(response, text('x'), { error: { message: 'decode failed' } });
      response.end('data: [DONE]\n\n');
    });
    const failed = await benchPrompt(sessionAt(server.address), optionsOf()).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(HyperLlamaError);
    const { code, details, message } = failed as HyperLlamaError;
    expect(code).toBe('HL_ENGINE_PROTOCOL');
    expect(message).toContain('decode failed');
    expect(details['iterations']).toHaveLength(2);
    expect(JSON.parse(JSON.stringify(details['iterations']))[0]).toMatchObject({ outputTokens: 2 });
  });
});
