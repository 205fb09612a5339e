/**
 * Answers: what a running engine does with each request field: uses it, refuses it, or drops it in
 * silence. Found by asking, with the demo model, whose greedy answers are known.
 */
import { request } from 'node:http';
import type { Address } from '../../src/base/http.ts';
import { REQUEST_FEATURES, type FeatureSupport } from '../../src/engines/request.ts';
import type { Features } from '../../src/engines/shared/chat.ts';
import { ANSWER_DEADLINE_MS, JAPAN } from './home.ts';

interface Reply {
  readonly status: number;
  readonly choices: readonly Choice[];
  readonly outputTokens: number;
}

interface Choice {
  readonly text: string;
  readonly finish: string | null;
  readonly hasLogprobs: boolean;
}

type Ask = (fields: Readonly<Record<string, unknown>>) => Promise<Reply>;

/** First token of the greedy answer to `JAPAN`, ` The` without its space: id 504 of the tokenizer. */
const TOKEN_THE = 504;
const GREEDY = { temperature: 0, max_tokens: 16 };
/** So hot that two answers agree by chance in no lifetime, unless the question has one answer. */
const HOT = { temperature: 2, max_tokens: 16 };
const HOT_STORY = { ...HOT, messages: [{ role: 'user', content: 'Tell me a story.' }] };
const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string', maxLength: 12 } },
  required: ['city'],
  additionalProperties: false,
};

/** `null` of `tools`: the demo model has no words for them. */
const PROBES: Readonly<Record<keyof Features, ((ask: Ask) => Promise<boolean>) | null>> = {
  temperature: async (ask) => {
    const [a, b, hot] = [await ask(GREEDY), await ask(GREEDY), await ask(HOT_STORY)].map(textOf);
    return a === b && hot !== textOf(await ask({ ...HOT_STORY, temperature: 0 }));
  },
  // The likeliest token alone is left of a hot distribution.
  top_p: async (ask) => {
    const cold = await ask({ ...HOT, max_tokens: 8, top_p: 0.0001 });
    return textOf(cold) === textOf(await ask({ ...GREEDY, max_tokens: 8 }));
  },
  seed: async (ask) => {
    const [a, b, c] = [
      await ask({ ...HOT, seed: 7 }),
      await ask({ ...HOT, seed: 7 }),
      await ask({ ...HOT, seed: 8 }),
    ].map(textOf);
    return a === b && a !== c;
  },
  stop: async (ask) => textOf(await ask({ ...GREEDY, stop: ['okyo'] })).endsWith(' T'),
  max_tokens: async (ask) => {
    const reply = await ask({ ...GREEDY, max_tokens: 3 });
    return reply.outputTokens === 3 && reply.choices[0]?.finish === 'length';
  },
  min_tokens: async (ask) =>
    (await ask({ ...GREEDY, max_tokens: 24, min_tokens: 20 })).outputTokens >= 20,
  ignore_eos: async (ask) =>
    (await ask({ ...GREEDY, max_tokens: 24, ignore_eos: true })).outputTokens === 24,
  n: async (ask) => (await ask({ ...HOT, n: 2 })).choices.length === 2,
  logit_bias: async (ask) => {
    const biased = await ask({ ...GREEDY, logit_bias: { [TOKEN_THE]: -100 } });
    return textOf(biased) !== textOf(await ask(GREEDY));
  },
  logprobs: async (ask) =>
    (await ask({ ...GREEDY, logprobs: true })).choices[0]?.hasLogprobs === true,
  json_schema: async (ask) => {
    const format = {
      type: 'json_schema',
      json_schema: { name: 'a', strict: true, schema: SCHEMA },
    };
    const reply = await ask({ ...GREEDY, max_tokens: 48, response_format: format });
    return typeof parsed(textOf(reply))['city'] === 'string';
  },
  tools: null,
};

/** Of each field but `tools`: what the engine at `address` does with it. */
export async function probeFeatures(
  address: Address,
  model: unknown,
): Promise<Partial<Record<keyof Features, FeatureSupport>>> {
  const found: Partial<Record<keyof Features, FeatureSupport>> = {};
  for (const feature of REQUEST_FEATURES) {
    const probe = PROBES[feature];
    if (probe === null) continue;
    const statuses: number[] = [];
    const ask: Ask = async (fields) => {
      const reply = await post(address, {
        model,
        messages: [{ role: 'user', content: JAPAN }],
        ...fields,
      });
      statuses.push(reply.status);
      return reply;
    };
    const isUsed = await probe(ask);
    const isRefused = statuses.some((status) => status >= 400);
    found[feature] = isRefused ? 'refused' : isUsed ? 'honoured' : 'ignored';
  }
  return found;
}

function textOf({ choices }: Reply): string {
  return choices[0]?.text ?? '';
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

interface Wire {
  readonly choices?: readonly {
    readonly message?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
    readonly logprobs?: { readonly content?: readonly unknown[] | null } | null;
  }[];
  readonly usage?: { readonly completion_tokens?: number };
}

async function post(address: Address, body: Readonly<Record<string, unknown>>): Promise<Reply> {
  const text = JSON.stringify(body);
  const { status, reply } = await new Promise<{ status: number; reply: string }>(
    (resolve, reject) => {
      const asking = request(
        {
          ...(address.kind === 'unix'
            ? { socketPath: address.path }
            : { host: address.host, port: address.port }),
          path: '/v1/chat/completions',
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
          },
          timeout: ANSWER_DEADLINE_MS,
          agent: false,
        },
        (response) => {
          let reply = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (reply += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, reply }));
        },
      );
      asking.on('timeout', () => asking.destroy(new Error('no answer in time')));
      asking.on('error', reject);
      asking.end(text);
    },
  );
  const wire = parsed(reply) as Wire;
  return {
    status,
    choices: (wire.choices ?? []).map(({ message, finish_reason, logprobs }) => ({
      text: message?.content ?? '',
      finish: finish_reason ?? null,
      hasLogprobs: (logprobs?.content?.length ?? 0) > 0,
    })),
    outputTokens: wire.usage?.completion_tokens ?? 0,
  };
}
