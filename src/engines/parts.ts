/**
 * Answers: what an engine's stream says, as parts: text, reasoning, prefill progress, usage, the
 * end. Reads the OpenAI dialect all our engines speak; an `error` event always wins over `[DONE]`.
 */

export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'prefill'; readonly tokensDone: number; readonly tokensTotal: number }
  | { readonly kind: 'finish'; readonly reason: FinishReason }
  | { readonly kind: 'usage'; readonly usage: Usage }
  | { readonly kind: 'error'; readonly message: string; readonly type: string | null }
  | { readonly kind: 'done' };

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'cancelled' | 'other';

export interface Usage {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Prompt tokens taken from an earlier request's KV cache; `null` = not reported. */
  readonly cachedTokens: number | null;
  /** Tokens that a draft model proposed, and how many the model took; absent = not reported. */
  readonly draft?: { readonly proposed: number; readonly accepted: number };
}

/** The parts of one event's data; garbage is an `error` part, never an exception. */
export function readParts(data: string): readonly Part[] {
  if (data === '[DONE]') return [{ kind: 'done' }];
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    return [{ kind: 'error', message: `not JSON: ${data.slice(0, 80)}`, type: 'protocol' }];
  }
  if (!isObject(chunk)) {
    return [{ kind: 'error', message: `not an object: ${data.slice(0, 80)}`, type: 'protocol' }];
  }
  if (chunk['error'] !== undefined && chunk['error'] !== null) return [readError(chunk['error'])];
  const parts: Part[] = [];
  const progress = chunk['prompt_progress'];
  if (isObject(progress)) {
    const [done, total] = [progress['processed'], progress['total']];
    if (typeof done === 'number' && typeof total === 'number') {
      parts.push({ kind: 'prefill', tokensDone: done, tokensTotal: total });
    }
  }
  const choice = Array.isArray(chunk['choices']) ? (chunk['choices'][0] as unknown) : undefined;
  if (isObject(choice)) parts.push(...readChoice(choice));
  const usage = readUsage(chunk['usage']);
  const draft = readDraft(chunk['timings']);
  if (usage !== null) {
    parts.push({ kind: 'usage', usage: draft === null ? usage : { ...usage, draft } });
  }
  return parts;
}

/** The message of an error body, whatever its dialect; `null` when there is none. */
export function readErrorBody(text: string): { message: string; type: string | null } | null {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(body)) return null;
  const error = readError(body['error'] ?? body['detail'] ?? body);
  return error.message === '' ? null : { message: error.message, type: error.type };
}

function readChoice(choice: Readonly<Record<string, unknown>>): readonly Part[] {
  const parts: Part[] = [];
  const delta = choice['delta'];
  if (isObject(delta)) {
    const reasoning = delta['reasoning_content'] ?? delta['reasoning'];
    if (typeof reasoning === 'string' && reasoning !== '') {
      parts.push({ kind: 'reasoning', text: reasoning });
    }
    const content = delta['content'];
    if (typeof content === 'string' && content !== '') parts.push({ kind: 'text', text: content });
  }
  const reason = choice['finish_reason'];
  if (typeof reason === 'string') parts.push({ kind: 'finish', reason: finishReason(reason) });
  return parts;
}

function finishReason(reason: string): FinishReason {
  return reason === 'stop' || reason === 'length' || reason === 'tool_calls' ? reason : 'other';
}

function readUsage(usage: unknown): Usage | null {
  if (!isObject(usage)) return null;
  const { prompt_tokens: promptTokens, completion_tokens: outputTokens } = usage;
  if (typeof promptTokens !== 'number' || typeof outputTokens !== 'number') return null;
  const details = usage['prompt_tokens_details'];
  const cached = isObject(details) ? details['cached_tokens'] : undefined;
  return {
    promptTokens,
    outputTokens,
    cachedTokens: typeof cached === 'number' ? cached : null,
  };
}

/** llama.cpp's own field, beside the usage. */
function readDraft(timings: unknown): Required<Usage>['draft'] | null {
  if (!isObject(timings)) return null;
  const { draft_n: proposed, draft_n_accepted: accepted } = timings;
  if (typeof proposed !== 'number' || typeof accepted !== 'number') return null;
  return { proposed, accepted };
}

function readError(error: unknown): Extract<Part, { kind: 'error' }> {
  if (typeof error === 'string') return { kind: 'error', message: error, type: null };
  if (!isObject(error)) return { kind: 'error', message: JSON.stringify(error) ?? '', type: null };
  const { message, type } = error;
  return {
    kind: 'error',
    message: typeof message === 'string' ? message : JSON.stringify(error),
    type: typeof type === 'string' ? type : null,
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
