/**
 * Answers: what one generation asks for, in our words. `Engine.adaptRequest` turns it into the
 * engine's own wire body and says what that engine cannot honour.
 */

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface GenerateRequest {
  readonly messages: readonly Message[];
  /** `null` = until the model stops or the context is full. */
  readonly maxTokens: number | null;
  /** 0 = greedy; `null` = the engine's default. */
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly seed: number | null;
  readonly stop: readonly string[];
  /** JSON schema the answer must match. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  /** Go on past the end-of-text token, for measurements of an exact length. */
  readonly ignoreEos: boolean;
  /** `false` keeps the engine from reusing an earlier prompt's KV cache (cold prefixes). */
  readonly promptCache: boolean;
}

export const EMPTY_REQUEST: Omit<GenerateRequest, 'messages'> = {
  maxTokens: null,
  temperature: null,
  topP: null,
  seed: null,
  stop: [],
  schema: null,
  ignoreEos: false,
  promptCache: true,
};

/** Something asked for that the engine will not do as asked. */
export interface RequestWarning {
  readonly feature: RequestFeature;
  readonly message: string;
}

export interface AdaptedRequest {
  /** Path of the engine's own server, `/v1/chat/completions`. */
  readonly path: string;
  /** JSON-safe. Always asks for a stream with usage. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly warnings: readonly RequestWarning[];
  /** Texts before which we end the answer ourselves; absent = the engine does. */
  readonly stop?: readonly string[];
}

export const REQUEST_FEATURES = [
  'temperature',
  'top_p',
  'seed',
  'stop',
  'max_tokens',
  'min_tokens',
  'ignore_eos',
  'n',
  'logit_bias',
  'logprobs',
  'json_schema',
  'tools',
] as const;
export type RequestFeature = (typeof REQUEST_FEATURES)[number];

/**
 * What the engine does with a field: uses it, answers with an error, or drops it in silence.
 * `stop` may be `enforced`: the engine does something else with it, so that our own layer does it.
 */
export type FeatureSupport = 'honoured' | 'refused' | 'ignored' | 'enforced';
