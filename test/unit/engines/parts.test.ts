/** What an engine's stream says: recorded streams of five engines, and what none should send. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as fc from '../../support/property.ts';
import { describe, expect, it } from 'vitest';
import { SseReader } from '../../../src/base/sse.ts';
import { readErrorBody, readParts, type Part } from '../../../src/engines/parts.ts';

const recorded = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/engines/${path}`, import.meta.url)), 'utf8');

function partsOf(stream: string): readonly Part[] {
  const parts: Part[] = [];
  const reader = new SseReader((data) => parts.push(...readParts(data)));
  reader.feed(Buffer.from(stream));
  reader.end();
  return parts;
}

const textOf = (parts: readonly Part[]): string =>
  parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');

interface Expected {
  readonly text: string;
  readonly reason: string;
  /** The last usage event: prompt, output, cached. */
  readonly usage: readonly [number, number, number | null];
}

const STREAMS: Readonly<Record<string, Expected>> = {
  'llama-cpp': {
    text: "L'Étoile, la Marseillaise,",
    reason: 'length',
    usage: [37, 12, 36],
  },
  vllm: { text: 'The capital of France is Paris.', reason: 'stop', usage: [37, 8, null] },
  max: { text: 'The capital of France is Paris.', reason: 'stop', usage: [37, 8, 0] },
  mlx: { text: 'The capital of France is Paris.', reason: 'stop', usage: [37, 8, 36] },
  dynamo: { text: 'sw mightrain investditions', reason: 'length', usage: [37, 5, 0] },
};

describe('a recorded stream', () => {
  it.each(Object.entries(STREAMS))('of %s gives its text, reason and usage', (id, expected) => {
    const parts = partsOf(recorded(`${id}/chat-stream.sse`));
    expect(textOf(parts)).toBe(expected.text);
    expect(parts.filter(({ kind }) => kind === 'finish')).toEqual([
      { kind: 'finish', reason: expected.reason },
    ]);
    const usages = parts.flatMap((part) => (part.kind === 'usage' ? [part.usage] : []));
    const [promptTokens, outputTokens, cachedTokens] = expected.usage;
    expect(usages.at(-1)).toEqual({ promptTokens, outputTokens, cachedTokens });
    expect(parts.at(-1)).toEqual({ kind: 'done' });
    expect(parts.some(({ kind }) => kind === 'error')).toBe(false);
  });

  it('counts what a draft model proposed where the engine says so, as llama.cpp does', () => {
    const usage = { prompt_tokens: 36, completion_tokens: 32 };
    const timings = { predicted_ms: 720, draft_n: 23, draft_n_accepted: 21 };
    const read = (chunk: object): unknown => readParts(JSON.stringify({ choices: [], ...chunk }));
    const counted = { promptTokens: 36, outputTokens: 32, cachedTokens: null };
    expect(read({ usage, timings })).toEqual([
      { kind: 'usage', usage: { ...counted, draft: { proposed: 23, accepted: 21 } } },
    ]);
    expect(read({ usage, timings: { predicted_ms: 720 } })).toEqual([
      { kind: 'usage', usage: counted },
    ]);
  });

  it('with empty deltas and a role alone gives no part of empty text', () => {
    for (const id of Object.keys(STREAMS)) {
      const parts = partsOf(recorded(`${id}/chat-stream.sse`));
      expect(parts.filter((part) => part.kind === 'text' && part.text === '')).toEqual([]);
    }
  });

  it('with prefill progress gives it in tokens, up to the whole prompt', () => {
    const parts = partsOf(recorded('llama-cpp/chat-stream-progress.sse'));
    const progress = parts.filter((part) => part.kind === 'prefill');
    expect(progress.at(-1)).toEqual({ kind: 'prefill', tokensDone: 37, tokensTotal: 37 });
  });

  it('with an error in it is an error, though the status was 200 and `[DONE]` follows', () => {
    const parts = partsOf(recorded('dynamo/chat-stream-error.sse'));
    expect(parts[0]).toEqual({
      kind: 'error',
      message: 'Internal server error',
      type: 'internal_server_error',
    });
  });
});

interface Refusal {
  readonly what: string;
  readonly status: number;
  readonly body: string;
}

describe('a recorded refusal', () => {
  const refusals = ['llama-cpp', 'vllm', 'max', 'mlx', 'dynamo'].flatMap((id) =>
    (JSON.parse(recorded(`${id}/refusals.json`)) as Refusal[]).map(
      ({ what, body }) => [id, what, body] as const,
    ),
  );

  it.each(refusals)('of %s for %s gives its message, without JSON around it', (id, what, body) => {
    const message = readErrorBody(body)?.message;
    expect(message, `${id}: ${what}`).toMatch(/[a-z]{3}/);
    expect(message).not.toMatch(/^[{[]/);
  });
});

describe('readParts', () => {
  it('gives reasoning apart from text, under either of its names', () => {
    const chunk = (delta: object): string => JSON.stringify({ choices: [{ delta }] });
    expect(readParts(chunk({ reasoning_content: 'hm', content: 'so' }))).toEqual([
      { kind: 'reasoning', text: 'hm' },
      { kind: 'text', text: 'so' },
    ]);
    expect(readParts(chunk({ reasoning: 'hm', content: null }))).toEqual([
      { kind: 'reasoning', text: 'hm' },
    ]);
  });

  it('lets an error win over everything beside it', () => {
    const chunk = { error: { message: 'out of memory' }, choices: [{ delta: { content: 'x' } }] };
    expect(readParts(JSON.stringify(chunk))).toEqual([
      { kind: 'error', message: 'out of memory', type: null },
    ]);
  });

  it('reads an error that is text alone', () => {
    expect(readParts('{"error":"no"}')).toEqual([{ kind: 'error', message: 'no', type: null }]);
  });

  it.each(['', '[]', 'null', '42', '{"choices": [', '[DONE'])(
    'is an error part for %j, which is no chunk',
    (data) => {
      expect(readParts(data)).toMatchObject([{ kind: 'error', type: 'protocol' }]);
    },
  );

  it('never throws and gives known kinds only, whatever JSON comes', () => {
    const kinds = ['text', 'reasoning', 'prefill', 'finish', 'usage', 'error', 'done'];
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.boolean());
    const delta = fc.dictionary(fc.constantFrom('content', 'reasoning', 'role'), leaf);
    const choice = fc.record({ delta: fc.oneof(delta, leaf), finish_reason: leaf });
    const usage = fc.dictionary(fc.constantFrom('prompt_tokens', 'completion_tokens'), leaf);
    const chunk = fc.record(
      {
        choices: fc.oneof(fc.array(fc.oneof(choice, leaf)), leaf),
        usage: fc.oneof(usage, leaf),
        error: leaf,
        prompt_progress: fc.oneof(fc.dictionary(fc.string(), leaf), leaf),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(chunk, fc.jsonValue()), (value) => {
        for (const part of readParts(JSON.stringify(value))) expect(kinds).toContain(part.kind);
      }),
      { numRuns: 500 },
    );
  });
});

describe('readErrorBody', () => {
  it.each([
    ['{"error":{"message":"m","type":"t"}}', { message: 'm', type: 't' }],
    ['{"error":"m"}', { message: 'm', type: null }],
    ['{"detail":"m"}', { message: 'm', type: null }],
    ['{"message":"m","type":"t"}', { message: 'm', type: 't' }],
    ['<html>502</html>', null],
    ['', null],
    ['[1]', null],
  ])('of %s is %j', (body, expected) => {
    expect(readErrorBody(body)).toEqual(expected);
  });
});
