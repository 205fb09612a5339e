import { describe, expect, it } from 'vitest';
import type { EngineInput } from '../../../src/engines/engine.ts';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import type { Machine } from '../../../src/hardware/machine.ts';
import { kvCacheBytesPerToken } from '../../../src/models/memory.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { makeWorkload, type WorkloadOverrides } from '../../../src/workloads/presets.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { engineOf, hasFlag, planOf, valueOf, withCards } from './gpu-cases.ts';

const engine = engineOf('sglang');
const H100X8 = testMachine('synthetic-8x-h100');
const B200X8 = testMachine('synthetic-8x-b200');

function input(
  machine: Machine,
  model: ModelInfo,
  overrides: WorkloadOverrides = {},
  name: Parameters<typeof makeWorkload>[0] = 'chat',
): EngineInput {
  return { machine, model, workload: makeWorkload(name, overrides), installation: null };
}

describe('the served name', () => {
  const plan = planOf(engine, input(H100X8, { ...testModel('dense-8b-bf16'), name: 'qwen3:8b' }));

  it('holds no colon: behind one it would look for an adapter', () => {
    expect(valueOf(plan, '--served-model-name')).toBe('qwen3-8b');
  });

  it('is what requests name', () => {
    const messages = [{ role: 'user', content: 'hi' }] as const;
    const { body } = engine.adaptRequest({ ...EMPTY_REQUEST, messages }, plan);
    expect(body['model']).toBe('qwen3-8b');
  });

  it('is left to the launch where there is no colon', () => {
    const plain = planOf(engine, input(H100X8, testModel('dense-8b-bf16')));
    expect(valueOf(plain, '--served-model-name')).toBe('{served-name}');
  });
});

describe('several cards', () => {
  it('share layers by heads', () => {
    const plan = planOf(engine, input(H100X8, testModel('dense-70b-bf16')));
    expect([valueOf(plan, '--tp-size'), plan.parallel.tensor]).toEqual(['4', 4]);
    expect(plan.environment['CUDA_VISIBLE_DEVICES']?.split(',')).toHaveLength(4);
  });

  it('hold copies for a crowd that only total time counts for', () => {
    const batch = input(H100X8, testModel('dense-8b-bf16'), { concurrency: 64 }, 'batch');
    expect(valueOf(planOf(engine, batch), '--dp-size')).toBe('4');
  });

  it('keep whole experts, and latent caches of different requests, when users are as many', () => {
    const crowd = planOf(engine, input(B200X8, testModel('mla-671b'), { concurrency: 64 }));
    expect([valueOf(crowd, '--ep-size'), valueOf(crowd, '--attn-dp-size')]).toEqual(['8', '8']);
    const few = planOf(engine, input(B200X8, testModel('mla-671b'), { concurrency: 2 }));
    expect(valueOf(few, '--ep-size')).toBe('8');
    expect(hasFlag(few, '--attn-dp-size')).toBe(false);
  });
});

describe('the KV cache', () => {
  const H200 = testMachine('synthetic-h200');
  const MODEL = testModel('dense-8b-bf16');
  const TOKEN_BYTES = kvCacheBytesPerToken(MODEL, 2) ?? 0;
  const free = (machine: Machine): number => machine.accelerators[0]?.memoryBytesFree ?? 0;

  it('is so many tokens, not all of a large card, and the plan says the bytes of them', () => {
    const plan = planOf(engine, input(H200, MODEL));
    expect(valueOf(plan, '--max-total-tokens')).toBe(String(2 * plan.contextTokens));
    expect(plan.memoryBytes.kvCache).toBe(2 * plan.contextTokens * TOKEN_BYTES);
    expect(plan.memoryBytes.kvCache).toBeLessThan(0.05 * free(H200));
  });

  it('is told the same whatever is free just now: who comes later joins the session', () => {
    const accelerators = H200.accelerators.map((card) => ({ ...card, memoryBytesFree: 40e9 }));
    const [quiet, busy] = [H200, { ...H200, accelerators }].map((machine) =>
      planOf(engine, input(machine, MODEL)),
    );
    expect(busy?.args).toEqual(quiet?.args);
  });

  it('of a crowd is no more than its share of the card leaves beside the weights', () => {
    const crowd = input(withCards(H100X8, 1), MODEL, { concurrency: 40 }, 'agent');
    const { memoryBytes, args } = planOf(engine, crowd);
    const tokens = Number(args.find(({ flag }) => flag === '--max-total-tokens')?.value);
    expect(tokens * TOKEN_BYTES).toBeGreaterThan(memoryBytes.kvCache);
    expect(memoryBytes.weights + memoryBytes.kvCache).toBeCloseTo(0.88 * free(H100X8), -1);
  });

  it('of each copy is its own, and a latent one lies whole on every card', () => {
    const batch = planOf(engine, input(H100X8, MODEL, { concurrency: 64 }, 'batch'));
    const tokens = Number(valueOf(batch, '--max-total-tokens'));
    expect(batch.memoryBytes.kvCache).toBe(4 * tokens * TOKEN_BYTES);
    const latent = testModel('mla-671b');
    const plan = planOf(engine, input(B200X8, latent));
    const bytes = (kvCacheBytesPerToken(latent, 2) ?? 0) * 2 * plan.contextTokens;
    expect(plan.memoryBytes.kvCache).toBe(8 * bytes);
    // 64 users over eight cards that keep the caches of their own requests: eight on each.
    const crowd = planOf(engine, input(B200X8, latent, { concurrency: 64 }));
    const one = planOf(engine, input(B200X8, latent, { concurrency: 8 }));
    expect(Number(valueOf(crowd, '--max-total-tokens'))).toBeLessThanOrEqual(
      Number(valueOf(one, '--max-total-tokens')),
    );
  });

  it.each([
    ['nobody knows the attention', null],
    [
      'layers keep a state beside the tokens',
      [
        ...(MODEL.attention ?? []),
        { kind: 'linear' as const, layers: 8, stateElements: 1_000_000 },
      ],
    ],
  ])('is its own measurement, and planned as all it takes, where %s', (_, attention) => {
    const plan = planOf(engine, input(H200, { ...MODEL, attention }));
    expect(hasFlag(plan, '--max-total-tokens')).toBe(false);
    const { weights, kvCache } = plan.memoryBytes;
    expect(weights + kvCache).toBeCloseTo(0.88 * free(H200), -1);
  });
});

describe('requests', () => {
  it('for vectors get an embedding server without parsers', () => {
    const plan = planOf(engine, input(H100X8, testModel('embed-bf16'), {}, 'embed'));
    expect(hasFlag(plan, '--is-embedding')).toBe(true);
    expect(hasFlag(plan, '--reasoning-parser')).toBe(false);
  });

  it('for tools and adapters get what the server must be told', () => {
    const model = testModel('dense-8b-bf16');
    const plan = planOf(engine, input(H100X8, model, { needs: ['lora'] }, 'agent'));
    expect(valueOf(plan, '--tool-call-parser')).toBe('auto');
    expect(hasFlag(plan, '--enable-lora')).toBe(true);
  });
});

it('keeps its own health check from generating, and what it compiles for the next start', () => {
  const { environment } = planOf(engine, input(H100X8, testModel('dense-8b-bf16')));
  expect(environment['SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION']).toBe('0');
  expect(environment['TRITON_CACHE_DIR']).toBe('{cache}/triton');
});
