/** What engines were seen to ignore or refuse, by comparing their recorded answers. */
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import { REQUEST_FEATURES } from '../../../src/engines/request.ts';

/** Everything else is honoured. */
const NOT_HONOURED: Readonly<Record<string, readonly string[]>> = {
  dynamo: [],
  exllamav2: [],
  exllamav3: [],
  'llama-cpp': ['min_tokens'],
  max: ['json_schema', 'logit_bias', 'min_tokens', 'n'],
  mlx: ['ignore_eos', 'json_schema', 'min_tokens', 'n', 'tools'],
  sglang: [],
  'tensorrt-llm': [],
  vllm: [],
};

describe('request features', () => {
  it('are marked as ignored where the engine answered 200 and did something else', () => {
    const marked = ENGINES.map(({ id, features }) => [
      id,
      REQUEST_FEATURES.filter((feature) => features[feature] !== 'honoured').sort(),
    ]);
    expect(Object.fromEntries(marked)).toEqual(NOT_HONOURED);
  });

  it('agree with the traits: no schema or tools trait without the feature', () => {
    const wrong = ENGINES.filter(
      ({ traits, features }) =>
        (traits.includes('structured-output') && features.json_schema !== 'honoured') ||
        (traits.includes('tools') && features.tools !== 'honoured') ||
        (traits.includes('logprobs') && features.logprobs !== 'honoured'),
    );
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });
});
