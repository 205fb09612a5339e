import { describe, expect, it } from 'vitest';
import type { EngineInput } from '../../../src/engines/engine.ts';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import type { Machine } from '../../../src/hardware/machine.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { makeWorkload, type WorkloadOverrides } from '../../../src/workloads/presets.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { engineOf, hasFlag, planOf, valueOf } from './gpu-cases.ts';

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
