/**
 * Answers: our request as the body of an OpenAI chat completion, and a warning for each field the
 * engine will not honour. Always a stream with usage: nothing else can be cancelled or timed.
 */
import type { EnginePlan } from '../engine.ts';
import type {
  AdaptedRequest,
  FeatureSupport,
  GenerateRequest,
  RequestFeature,
  RequestWarning,
} from '../request.ts';

export type Features = Readonly<Record<RequestFeature, FeatureSupport>>;

export interface ChatRules {
  /** For the warnings: `llama.cpp`. */
  readonly engineName: string;
  readonly features: Features;
  /** What the engine's server calls the model; absent = the name it is served under. */
  readonly model?: string;
  /** Fields beyond OpenAI's; they win over ours. */
  readonly fields?: (request: GenerateRequest) => Readonly<Record<string, unknown>>;
}

export function chatRequest(
  rules: ChatRules,
  request: GenerateRequest,
  { model }: Pick<EnginePlan, 'model'>,
): AdaptedRequest {
  const asked: readonly [RequestFeature, boolean, Record<string, unknown>][] = [
    ['max_tokens', request.maxTokens !== null, { max_tokens: request.maxTokens }],
    ['temperature', request.temperature !== null, { temperature: request.temperature }],
    ['top_p', request.topP !== null, { top_p: request.topP }],
    ['seed', request.seed !== null, { seed: request.seed }],
    ['stop', request.stop.length > 0, { stop: request.stop }],
    ['ignore_eos', request.ignoreEos, { ignore_eos: true }],
    ['json_schema', request.schema !== null, { response_format: schemaFormat(request.schema) }],
  ];
  const body: Record<string, unknown> = {
    model: rules.model ?? model.name,
    messages: request.messages,
    stream: true,
    stream_options: { include_usage: true },
  };
  const warnings: RequestWarning[] = [];
  for (const [feature, isAsked, fields] of asked) {
    if (!isAsked) continue;
    const support = rules.features[feature];
    if (support === 'honoured') Object.assign(body, fields);
    if (support === 'honoured' || support === 'enforced') continue;
    warnings.push({ feature, message: warningText(rules.engineName, feature, support) });
  }
  Object.assign(body, rules.fields?.(request) ?? {});
  const isStopOurs = rules.features.stop === 'enforced' && request.stop.length > 0;
  const stop = isStopOurs ? { stop: request.stop } : {};
  return { path: '/v1/chat/completions', body, warnings, ...stop };
}

function schemaFormat(schema: GenerateRequest['schema']): Record<string, unknown> {
  return { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } };
}

function warningText(engine: string, feature: RequestFeature, support: FeatureSupport): string {
  return support === 'refused'
    ? `${engine} answers \`${feature}\` with an error, so it was left out`
    : `${engine} ignores \`${feature}\`, so it was left out`;
}
