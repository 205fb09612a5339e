/**
 * Answers: how a prompt is kept from meeting its own earlier copy: a number nobody asked before at
 * the very start of the first message, and no word to the engine about reusing a prefix.
 */
import { randomInt } from 'node:crypto';
import type { GenerateRequest, Message } from '../engines/request.ts';

/** Eight digits: most tokenizers make the same number of tokens of any of them. */
const NONCE_MIN = 10_000_000;
const NONCE_MAX = 100_000_000;

/** The same request with a fresh nonce: only the chat template's own opening can be cached. */
export function coldRequest(
  request: GenerateRequest,
  nonce: number = randomInt(NONCE_MIN, NONCE_MAX),
): GenerateRequest {
  const [first, ...rest] = request.messages;
  if (first === undefined) return { ...request, promptCache: false };
  const opened: Message = { ...first, content: `[${nonce}] ${first.content}` };
  return { ...request, messages: [opened, ...rest], promptCache: false };
}
