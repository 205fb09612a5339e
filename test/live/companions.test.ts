/**
 * A draft model and an adapter beside the demo model, in the real engines: a draft changes no word,
 * an adapter of zeros none either, another one does. llama.cpp always; the slow ones when
 * `HYPERLLAMA_TEST_LIVE` names them.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINES } from '../../src/engines/all.gen.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { DEMO_ADAPTER, writeGgufAdapter, writePeftAdapter } from '../support/adapters.ts';
import { INSTALL_DEADLINE_MS, live, liveHome, MODEL, type LiveHome } from './home.ts';
import { isAsked, SLOW_INSTALL_DEADLINE_MS, SLOW_START_DEADLINE_MS } from './slow-engine.ts';

let shared: LiveHome;
beforeAll(async () => {
  shared = await liveHome();
}, INSTALL_DEADLINE_MS);
afterAll(() => shared[Symbol.dispose]());

interface Answer {
  readonly text: string;
  readonly usage: { readonly draft?: { readonly proposed: number; readonly accepted: number } };
}

const isWanted = ({ id, isEmbedded }: Engine): boolean => isEmbedded === true || isAsked(id);
/** Those with a build for this kind of machine that take something beside the model. */
const SUBJECTS = ENGINES.filter(
  ({ environments, companions }) =>
    companions !== undefined && environments.some(({ when }) => when.devices.includes('cpu')),
);
const TEST_MS = SLOW_INSTALL_DEADLINE_MS + 3 * SLOW_START_DEADLINE_MS;

describe.each(SUBJECTS.map((engine) => [engine.name, engine] as const))('%s', (_, engine) => {
  const adapters = join('files', engine.id);

  async function answer(...more: readonly string[]): Promise<Answer> {
    const words = ['generate', MODEL, 'Count from one to ten.', '--engine', engine.id];
    const limits = ['--temperature', '0', '--max-tokens', '24', '--yes', '--json'];
    const result = await live([...words, ...limits, ...more], {
      home: shared.path,
      deadlineMs: SLOW_INSTALL_DEADLINE_MS,
    });
    if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stderr}`);
    return JSON.parse(result.stdout) as Answer;
  }

  function adapterOf(name: string, strength: number): string {
    const path = join(shared.path, adapters, name);
    const shape = { ...DEMO_ADAPTER, strength };
    return engine.companions?.adapter === 'gguf'
      ? writeGgufAdapter(`${path}.gguf`, shape)
      : writePeftAdapter(path, shape);
  }

  it.runIf(isWanted(engine) && engine.companions?.draft !== undefined)(
    'asks a draft model first, and the answer stays the same',
    async () => {
      const [bare, drafted] = [await answer(), await answer('--draft', MODEL)];
      expect(drafted.text).toBe(bare.text);
      expect(bare.usage.draft).toBeUndefined();
      if (engine.isEmbedded !== true) return;
      // It is its own draft: nearly all it proposes is what it would have said.
      const { proposed, accepted } = drafted.usage.draft ?? { proposed: 0, accepted: 0 };
      expect(proposed).toBeGreaterThan(5);
      expect(accepted).toBeGreaterThan(proposed / 2);
      expect(accepted).toBeLessThanOrEqual(proposed);
    },
    TEST_MS,
  );

  it.runIf(isWanted(engine) && engine.companions?.adapter !== undefined)(
    'answers with an adapter, and as before with one of zeros',
    async () => {
      const bare = await answer();
      expect((await answer('--lora', adapterOf('zero', 0))).text).toBe(bare.text);
      const { text } = await answer('--lora', adapterOf('strong', 1));
      // Both formats hold the same adapter, so every engine is led astray the same way.
      expect(text.slice(0, 26)).toBe('A: I am not a human being.');
    },
    TEST_MS,
  );
});
