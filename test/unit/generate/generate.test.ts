/** One request to an engine's server: what is returned, what moves its times, how it breaks. */
import type { RequestListener, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import type { Part } from '../../../src/engines/parts.ts';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import { generate, type GenerateResult } from '../../../src/generate/generate.ts';
import { fakeEngine } from '../../fixtures/fake-engine/engine.ts';
import type { Engine } from '../../../src/engines/engine.ts';
import { testSession, type TestSession } from './session.ts';

const REQUEST = { ...EMPTY_REQUEST, messages: [{ role: 'user' as const, content: 'hi' }] };

const chunk = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const ROLE = chunk({ role: 'assistant', content: null });
const USAGE = `data: ${JSON.stringify({
  choices: [],
  usage: { prompt_tokens: 5, completion_tokens: 3 },
})}\n\n`;
const DONE = 'data: [DONE]\n\n';

/** Far longer than the clock's grain, far shorter than anybody waits. */
const PAUSE_MS = 60;
const pause = async (): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
};

function refuse(status: number, body: object | string): RequestListener {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

async function run(
  { session }: TestSession,
  signal: AbortSignal | null = null,
): Promise<GenerateResult> {
  return await generate(session, REQUEST, {
    signal,
    firstByteDeadlineMs: null,
    onPart: () => undefined,
  });
}

async function failure(running: Promise<unknown>): Promise<HyperLlamaError> {
  const thrown: unknown = await running.catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  return thrown;
}

describe('the times of an answer', () => {
  it('run from the first to the last text: a role before and a usage after move neither', async () => {
    const at: Record<string, number> = {};
    const stream = async (response: ServerResponse): Promise<void> => {
      response.write(ROLE);
      response.write(chunk({ content: '' }));
      await pause();
      at['text'] = performance.now();
      response.write(chunk({ content: 'one' }));
      await pause();
      response.write(chunk({ content: ' two' }));
      await pause();
      at['usage'] = performance.now();
      response.write(chunk({}, 'stop'));
      response.write(USAGE);
      response.end(DONE);
    };
    await using test = await testSession((_, response) => void stream(response));
    const { stamps, text, usage, textEvents, finishReason } = await run(test);
    expect([text, finishReason, textEvents]).toEqual(['one two', 'stop', 2]);
    expect(usage).toEqual({ promptTokens: 5, outputTokens: 3, cachedTokens: null });
    expect(stamps.sentAtMs).toBeLessThan(at['text'] ?? 0);
    expect(stamps.firstAtMs).toBeGreaterThanOrEqual(at['text'] ?? Infinity);
    expect(stamps.lastAtMs).toBeGreaterThan(stamps.firstAtMs ?? Infinity);
    expect(stamps.lastAtMs).toBeLessThan(at['usage'] ?? 0);
    expect(stamps.endedAtMs).toBeGreaterThanOrEqual(at['usage'] ?? Infinity);
  });

  it('begin with reasoning where the engine thinks first', async () => {
    const body = [chunk({ reasoning_content: 'hm' }), chunk({ content: 'so' }), chunk({}, 'stop')];
    await using test = await testSession((_, response) => response.end(body.join('') + DONE));
    const result = await run(test);
    expect([result.reasoning, result.text, result.textEvents]).toEqual(['hm', 'so', 2]);
    expect(result.stamps.firstAtMs).not.toBeNull();
  });
});

describe('a refusal', () => {
  it.each([
    [
      'request (6031 tokens) exceeds the available context size (2048 tokens), try increasing it',
      6031,
    ],
    [
      "This model's maximum context length is 2048 tokens. However, your prompt contains at least 2049 input tokens",
      2049,
    ],
    [
      'Prompt is too long: 4031 tokens exceeds the configured maximum context length of 2048 tokens.',
      4031,
    ],
    ['the prompt is too long', null],
  ])(
    'for a prompt that is too long counts the prompt, not the limit: %s',
    async (message, tokens) => {
      await using test = await testSession(refuse(400, { error: { message } }));
      const error = await failure(run(test));
      expect([error.code, error.details]).toEqual([
        'HL_CONTEXT_EXCEEDED',
        { promptTokens: tokens, contextTokens: 2048 },
      ]);
    },
  );

  it('for a prompt longer than the model can read suggests no larger context', async () => {
    const message = 'request (40000 tokens) exceeds the available context size (2048 tokens)';
    await using test = await testSession(refuse(400, { error: { message } }));
    const options = { signal: null, firstByteDeadlineMs: null, onPart: () => undefined };
    const error = await failure(
      generate(test.session, REQUEST, { ...options, contextTokensMax: 8192 }),
    );
    expect(error.hint).toBe(
      'the prompt is longer than the model can read (8192 tokens with its answer): use a shorter one',
    );
  });

  it('of the request itself keeps the engine’s words', async () => {
    await using test = await testSession(refuse(422, { error: 'temperature is no number' }));
    const error = await failure(run(test));
    expect([error.code, error.message]).toEqual([
      'HL_REQUEST_INVALID',
      'the request was refused: Fake: temperature is no number',
    ]);
  });

  it('by an engine in trouble is the engine’s fault', async () => {
    await using test = await testSession(refuse(500, 'boom'));
    const error = await failure(run(test));
    expect([error.code, error.details['because']]).toEqual([
      'HL_ENGINE_PROTOCOL',
      'status 500: boom',
    ]);
  });
});

describe('a broken answer', () => {
  it('keeps the text that had come, and names how the engine ended', async () => {
    await using test = await testSession((_, response) => {
      response.write(chunk({ content: 'one' }));
      setImmediate(() => {
        test.guard({
          event: 'exited',
          code: null,
          signal: 'SIGSEGV',
          isOom: false,
          isWanted: false,
          tail: ['E bad pointer'],
        });
        response.destroy();
      });
    });
    const error = await failure(run(test));
    expect([error.code, error.details['text'], error.engineLog]).toEqual([
      'HL_ENGINE_EXITED',
      'one',
      ['E bad pointer'],
    ]);
  });

  it('by lack of memory is named as such', async () => {
    await using test = await testSession((_, response) => {
      response.write(chunk({ content: 'one' }));
      setImmediate(() => {
        const end = { code: null, signal: 'SIGKILL', isOom: true, isWanted: false, tail: [] };
        test.guard({ event: 'exited', ...end });
        response.destroy();
      });
    });
    expect((await failure(run(test))).code).toBe('HL_ENGINE_OUT_OF_MEMORY');
  });

  it('without a finish reason is no answer', async () => {
    await using test = await testSession((_, response) => {
      response.end(chunk({ content: 'one' }) + DONE);
    });
    test.guard({ event: 'exited', code: 1, signal: null, isOom: false, isWanted: false, tail: [] });
    const error = await failure(run(test));
    expect([error.code, error.details['text']]).toEqual(['HL_ENGINE_EXITED', 'one']);
  });

  it('with an error event is an error though more text and `[DONE]` follow', async () => {
    const body = [
      chunk({ content: 'one' }),
      'data: {"error":{"message":"decode failed"}}\n\n',
      chunk({ content: ' two' }, 'stop'),
      DONE,
    ];
    await using test = await testSession((_, response) => response.end(body.join('')));
    const error = await failure(run(test));
    expect([error.code, error.details['because']]).toEqual(['HL_ENGINE_PROTOCOL', 'decode failed']);
  });

  it('with an error event of an engine that is dying is told by its end', async () => {
    const body = [chunk({ content: 'one' }), 'data: {"error":{"message":"core died"}}\n\n'];
    await using test = await testSession((request, response) => {
      if (request.method === 'POST') return void response.end(body.join(''));
      // The health page: this engine is on its way out.
      response.writeHead(503).end();
      const exited = { event: 'exited', code: 0, signal: null, isOom: false };
      test.guard({ ...exited, isWanted: false, tail: [] });
    });
    const error = await failure(run(test));
    expect([error.code, error.details['text']]).toEqual(['HL_ENGINE_EXITED', 'one']);
  });
});

describe('a cancelled answer', () => {
  it('is a result with what had come, and without usage', async () => {
    const controller = new AbortController();
    await using test = await testSession((_, response) =>
      response.write(chunk({ content: 'one' })),
    );
    const result = await generate(test.session, REQUEST, {
      signal: controller.signal,
      firstByteDeadlineMs: null,
      onPart: () => controller.abort(),
    });
    expect([result.text, result.finishReason, result.usage]).toEqual(['one', 'cancelled', null]);
  });

  it('before it was sent has no text and no times', async () => {
    await using test = await testSession((_, response) => response.end());
    const result = await run(test, AbortSignal.abort());
    expect([result.text, result.finishReason, result.stamps.firstAtMs]).toEqual([
      '',
      'cancelled',
      null,
    ]);
  });
});

describe('an answer whose stop text the engine does not know', () => {
  const fake = fakeEngine('tcp');
  const engine: Engine = {
    ...fake,
    adaptRequest: (request, plan) => ({ ...fake.adaptRequest(request, plan), stop: request.stop }),
  };
  const request = { ...REQUEST, stop: ['two'] };

  it('is cut before it, and the engine is let go although it would say more', async () => {
    const gone = Promise.withResolvers<void>();
    await using test = await testSession((_, response) => {
      response.on('close', () => gone.resolve());
      response.write(
        chunk({ content: 'one t' }) + chunk({ content: 'wo three' }) + chunk({ content: ' four' }),
      );
    }, engine);
    const parts: Part[] = [];
    const result = await generate(test.session, request, {
      signal: null,
      firstByteDeadlineMs: null,
      onPart: (part) => parts.push(part),
    });
    await gone.promise;
    expect([result.text, result.finishReason, result.usage]).toEqual(['one ', 'stop', null]);
    expect(parts).toEqual([
      { kind: 'text', text: 'one ' },
      { kind: 'finish', reason: 'stop' },
    ]);
  });

  it('ends with what may have been its beginning, before the finish is told', async () => {
    const body = [chunk({ content: 'one t' }), chunk({}, 'length'), USAGE, DONE];
    await using test = await testSession((_, response) => response.end(body.join('')), engine);
    const parts: Part[] = [];
    const result = await generate(test.session, request, {
      signal: null,
      firstByteDeadlineMs: null,
      onPart: (part) => parts.push(part),
    });
    expect([result.text, result.finishReason, result.textEvents]).toEqual(['one t', 'length', 1]);
    expect(parts.slice(0, 3)).toEqual([
      { kind: 'text', text: 'one ' },
      { kind: 'text', text: 't' },
      { kind: 'finish', reason: 'length' },
    ]);
  });

  it('keeps all that had come when it is cancelled', async () => {
    const controller = new AbortController();
    await using test = await testSession(
      (_, response) => response.write(chunk({ content: 'one t' })),
      engine,
    );
    const result = await generate(test.session, request, {
      signal: controller.signal,
      firstByteDeadlineMs: null,
      onPart: () => controller.abort(),
    });
    expect([result.text, result.finishReason]).toEqual(['one t', 'cancelled']);
  });
});
