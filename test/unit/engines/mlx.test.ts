import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import type { Engine, EngineInput, EnginePlan } from '../../../src/engines/engine.ts';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { inputOf } from './shared/support.ts';

const engine = ENGINES.find(({ id }) => id === 'mlx') as Engine; // The list is tested.
const APPLE = inputOf(testMachine('synthetic-apple-m3-max-64gb'), 'dense-8b-mlx');

function planOf(input: EngineInput): EnginePlan {
  const verdict = engine.check(input);
  if (!verdict.isOk) throw new Error(verdict.reasons.map(({ because }) => because).join('; '));
  return engine.plan(input, verdict);
}

describe('MLX', () => {
  it('is installed for Metal on Apple Silicon and for the CPU on Linux', () => {
    const linux = inputOf(testMachine('recorded-epyc-2core'), 'demo-135m-bf16');
    expect([planOf(APPLE), planOf(linux)].map(({ recipe, device }) => [recipe, device])).toEqual([
      ['metal', 'apple'],
      ['cpu', 'cpu'],
    ]);
  });

  it('is refused on a Mac with an Intel processor, whose packages do not exist', () => {
    const { machine } = APPLE;
    const intel = { ...machine, accelerators: [], cpu: { ...machine.cpu, architecture: 'x64' } };
    const verdict = engine.check({ ...APPLE, machine: intel as EngineInput['machine'] });
    expect(verdict.isOk ? [] : verdict.reasons).toContainEqual({
      code: 'architecture-unsupported',
      because: 'on macOS it needs Apple Silicon, this Mac has an Intel processor',
      hint: null,
    });
  });

  it('keeps the KV cache in the type of the weights: four bytes where they have four', () => {
    const linux = inputOf(testMachine('recorded-epyc-2core'), 'demo-135m-bf16');
    const artifacts = linux.model.artifacts.map((one) => ({ ...one, quantization: 'fp32' }));
    const wide = planOf({ ...linux, model: { ...linux.model, artifacts } });
    const plain = planOf(linux);
    expect(wide.contextTokens).toBe(plain.contextTokens);
    expect(wide.memoryBytes.kvCache).toBe(2 * plain.memoryBytes.kvCache);
  });

  it('is asked for the one model that makes it load no other, and keeps stop texts for us', () => {
    const messages = [{ role: 'user' as const, content: 'hi' }];
    const request = { ...EMPTY_REQUEST, messages, stop: ['kyo'], maxTokens: 4 };
    expect(engine.adaptRequest(request, planOf(APPLE))).toEqual({
      path: '/v1/chat/completions',
      body: {
        model: 'default_model',
        messages,
        stream: true,
        stream_options: { include_usage: true },
        max_tokens: 4,
      },
      warnings: [],
      stop: ['kyo'],
    });
  });
});
