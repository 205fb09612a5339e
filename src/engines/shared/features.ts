/** Answers: what every feature table has in common: the fields an OpenAI-like server honours. */
import type { FeatureSupport, RequestFeature } from '../request.ts';

type Features = Readonly<Record<RequestFeature, FeatureSupport>>;

const HONOURED: Features = {
  temperature: 'honoured',
  top_p: 'honoured',
  seed: 'honoured',
  stop: 'honoured',
  max_tokens: 'honoured',
  min_tokens: 'honoured',
  ignore_eos: 'honoured',
  n: 'honoured',
  logit_bias: 'honoured',
  logprobs: 'honoured',
  json_schema: 'honoured',
  tools: 'honoured',
};

/** All features, honoured but for the exceptions. */
export function features(exceptions: Partial<Features>): Features {
  return { ...HONOURED, ...exceptions };
}
