/** Is one answer turned into figures as `docs/benchmarking.md` defines them? */
import { describe, expect, test } from 'vitest';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import type { GenerateResult } from '../../../src/generate/generate.ts';
import { coldRequest } from '../../../src/measure/cold.ts';
import { summarizeSamples } from '../../../src/measure/bench-prompt.ts';
import { remarksOn, sampleOf, type Sample } from '../../../src/measure/sample.ts';

const RESULT: GenerateResult = {
  text: 'a b c d e',
  reasoning: '',
  finishReason: 'length',
  usage: { promptTokens: 30, outputTokens: 5, cachedTokens: 0 },
  textEvents: 5,
  stamps: { sentAtMs: 1000, firstAtMs: 1250, lastAtMs: 1330, endedAtMs: 1400 },
  warnings: [],
};
const SAMPLE = sampleOf(RESULT);

describe('a sample', () => {
  test('has TTFT, TPOT and total from the text, not from the end of the stream', () => {
    expect(SAMPLE).toEqual({
      ttftMs: 250,
      tpotMs: 20,
      totalMs: 330,
      promptTokens: 30,
      outputTokens: 5,
      cachedTokens: 0,
      finishReason: 'length',
      textEvents: 5,
    });
  });

  test('counts tokens as the engine does: three events may be nine tokens', () => {
    const usage = { promptTokens: 30, outputTokens: 9, cachedTokens: null };
    expect(sampleOf({ ...RESULT, usage, textEvents: 3 })).toMatchObject({
      outputTokens: 9,
      tpotMs: 10,
      cachedTokens: null,
    });
  });

  test('has no TPOT for a single token', () => {
    const usage = { promptTokens: 30, outputTokens: 1, cachedTokens: 0 };
    const stamps = { ...RESULT.stamps, lastAtMs: 1250 };
    expect(sampleOf({ ...RESULT, usage, stamps, textEvents: 1 }).tpotMs).toBeNull();
  });

  test('without usage has events as the floor and no prompt tokens', () => {
    expect(sampleOf({ ...RESULT, usage: null })).toMatchObject({
      promptTokens: null,
      outputTokens: 5,
    });
  });
});

describe('remarks', () => {
  test('are none for clean samples of one length', () => {
    expect(remarksOn([SAMPLE, SAMPLE])).toEqual([]);
  });

  test.for([
    [{ ...SAMPLE, promptTokens: null }, 'did not report token counts'],
    [{ ...SAMPLE, cachedTokens: 17 }, '17 prompt tokens came from the prefix cache'],
    [{ ...SAMPLE, textEvents: 3 }, '1 of 2 answers have tokens without text'],
    [{ ...SAMPLE, outputTokens: 6, textEvents: 6 }, 'differ in length'],
  ] as const)('name what is wrong: %#', ([odd, expected]) => {
    expect(remarksOn([SAMPLE, odd]).join('\n')).toContain(expected);
  });
});

describe('the summary of samples', () => {
  test('is over the samples that have the value', () => {
    const single: Sample = { ...SAMPLE, tpotMs: null };
    const summary = summarizeSamples([SAMPLE, { ...SAMPLE, tpotMs: 10 }, single]);
    expect(summary.tpotMs).toMatchObject({ n: 2, mean: 15, min: 10, max: 20 });
    expect(summary.tokensPerSecond).toMatchObject({ n: 2, mean: 75 });
    expect(summary.totalMs?.n).toBe(3);
    expect(summarizeSamples([]).ttftMs).toBeNull();
  });
});

describe('a cold request', () => {
  const request = {
    ...EMPTY_REQUEST,
    messages: [
      { role: 'system' as const, content: 'Be brief.' },
      { role: 'user' as const, content: 'Hi' },
    ],
  };

  test('opens its first message with the nonce and asks for no reuse', () => {
    const cold = coldRequest(request, 12_345_678);
    expect(cold.messages).toEqual([
      { role: 'system', content: '[12345678] Be brief.' },
      { role: 'user', content: 'Hi' },
    ]);
    expect(cold.promptCache).toBe(false);
    expect(request.messages[0]?.content).toBe('Be brief.');
  });

  test('is a different one each time', () => {
    const openings = Array.from({ length: 50 }, () => coldRequest(request).messages[0]?.content);
    expect(new Set(openings).size).toBe(50);
    for (const opening of openings) expect(opening).toMatch(/^\[\d{8}\] Be brief\.$/);
  });
});
