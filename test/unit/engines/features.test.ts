/** What engines ignore or refuse: seen by comparing their recorded answers, or read in their source. */
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import { REQUEST_FEATURES, type FeatureSupport } from '../../../src/engines/request.ts';

/** Everything else is honoured, or enforced by us. */
const NOT_HONOURED: Readonly<Record<string, readonly string[]>> = {
  dynamo: [],
  exllamav2: ['seed'],
  exllamav3: ['ignore_eos', 'seed'],
  'llama-cpp': ['min_tokens'],
  max: ['json_schema', 'logit_bias', 'min_tokens', 'n'],
  mlx: ['ignore_eos', 'json_schema', 'min_tokens', 'n', 'tools'],
  sglang: [],
  'tensorrt-llm': [],
  vllm: [],
};

const LOST: readonly FeatureSupport[] = ['ignored', 'refused'];

describe('request features', () => {
  it('are marked as ignored where the engine answered 200 and did something else', () => {
    const marked = ENGINES.map(({ id, features }) => [
      id,
      REQUEST_FEATURES.filter((feature) => LOST.includes(features[feature])).sort(),
    ]);
    expect(Object.fromEntries(marked)).toEqual(NOT_HONOURED);
  });

  it('are enforced by us where nothing but the stream is needed for it: stop texts', () => {
    const enforced = ENGINES.flatMap(({ id, features }) =>
      REQUEST_FEATURES.filter((feature) => features[feature] === 'enforced').map(
        (feature) => `${id}: ${feature}`,
      ),
    );
    expect(enforced).toEqual(['mlx: stop']);
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
