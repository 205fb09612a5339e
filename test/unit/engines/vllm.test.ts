import { describe, expect, it } from 'vitest';
import { kvCacheBytes } from '../../../src/models/memory.ts';
import { makeWorkload, type WorkloadOverrides } from '../../../src/workloads/presets.ts';
import type { EngineInput } from '../../../src/engines/engine.ts';
import type { Machine } from '../../../src/hardware/machine.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { engineOf, hasFlag, ofFamily, planOf, valueOf, withCards } from './gpu-cases.ts';

const engine = engineOf('vllm');
const H100X8 = testMachine('synthetic-8x-h100');
const H200 = testMachine('synthetic-h200');
const RECORDED = testMachine('recorded-epyc-2core');

function input(
  machine: Machine,
  model: ModelInfo,
  overrides: WorkloadOverrides = {},
  name: Parameters<typeof makeWorkload>[0] = 'chat',
): EngineInput {
  return { machine, model, workload: makeWorkload(name, overrides), installation: null };
}

describe('several cards', () => {
  it('share every layer where heads come out even', () => {
    const plan = planOf(engine, input(H100X8, testModel('dense-70b-bf16')));
    expect(valueOf(plan, '--tensor-parallel-size')).toBe('2');
    expect(hasFlag(plan, '--pipeline-parallel-size')).toBe(false);
    expect(plan.parallel).toEqual({ tensor: 2, pipeline: 1 });
  });

  it('are a pipeline where they do not: 32 heads on three cards', () => {
    const three = withCards(testMachine('synthetic-4x-rtx-4090'), 3);
    const model = { ...testModel('dense-32b-all'), attentionHeads: 32 };
    const bf16 = {
      ...model,
      artifacts: model.artifacts
        .filter(({ format }) => format === 'safetensors')
        .map((artifact) => scaled(artifact, 50e9)),
    };
    const plan = planOf(engine, input(three, bf16));
    expect(plan.parallel).toEqual({ tensor: 1, pipeline: 3 });
    expect(valueOf(plan, '--pipeline-parallel-size')).toBe('3');
    expect(plan.environment['CUDA_VISIBLE_DEVICES']?.split(',')).toHaveLength(3);
    // 64 layers on three cards are 22, 21 and 21; the context and one block of tokens on each.
    const tokenBytes = 22 * 8 * (128 + 128) * 2;
    const bytes = (plan.contextTokens + 128) * tokenBytes;
    expect(valueOf(plan, '--kv-cache-memory-bytes')).toBe(String(bytes));
  });

  it('never share layers unequally: eight heads of the KV cache are not cut in five', () => {
    const five = { ...H100X8, accelerators: H100X8.accelerators.slice(0, 5) };
    // 40 heads go into five parts, its 8 heads of the KV cache do not.
    const plan = planOf(engine, input(five, scaledModel('dense-32b-all', 330e9)));
    expect(plan.parallel).toEqual({ tensor: 1, pipeline: 5 });
  });

  it('hold copies for a crowd that only total time counts for, each with a queue of its own', () => {
    const batch = input(H100X8, testModel('dense-8b-bf16'), { concurrency: 64 }, 'batch');
    const plan = planOf(engine, batch);
    expect(valueOf(plan, '--data-parallel-size')).toBe('4');
    expect(valueOf(plan, '--max-num-seqs')).toBe('16');
    expect(plan.environment['CUDA_VISIBLE_DEVICES']?.split(',')).toHaveLength(4);
    expect(plan.accelerators).toHaveLength(4);
    const one = planOf(
      engine,
      input(withCards(H100X8, 1), testModel('dense-8b-bf16'), {}, 'batch'),
    );
    expect(hasFlag(one, '--data-parallel-size')).toBe(false);
    expect(plan.memoryBytes.weights).toBe(4 * one.memoryBytes.weights);
  });

  it('do not hold copies for few users, nor on cards that something else fills', () => {
    const few = planOf(engine, input(H100X8, testModel('dense-8b-bf16')));
    expect(few.accelerators).toHaveLength(1);
    const filled = {
      ...H100X8,
      accelerators: H100X8.accelerators.map((card, at) =>
        at === 0 ? card : { ...card, memoryBytesFree: 8e9 },
      ),
    };
    const batch = planOf(engine, input(filled, testModel('dense-8b-bf16'), {}, 'batch'));
    expect(hasFlag(batch, '--data-parallel-size')).toBe(false);
  });

  it('do not hold copies of a mixture, whose experts would be shared out among them', () => {
    const batch = input(H100X8, testModel('moe-30b-all'), { concurrency: 128 }, 'batch');
    expect(hasFlag(planOf(engine, batch), '--data-parallel-size')).toBe(false);
  });

  it('keep whole experts each when eight of them share a mixture', () => {
    const plan = planOf(engine, input(H100X8, scaledModel('moe-30b-all', 400e9)));
    expect(plan.parallel.tensor).toBe(8);
    expect(hasFlag(plan, '--enable-expert-parallel')).toBe(true);
  });
});

describe('the KV cache', () => {
  it('is given in bytes, one block above one full context: so much it wants to start at all', () => {
    const model = testModel('dense-8b-bf16');
    const plan = planOf(engine, input(H200, model));
    const shape = { sequences: 1, bytesPerElement: 2 };
    const full = kvCacheBytes(model, { ...shape, contextTokens: plan.contextTokens }) ?? 0;
    const bytes = Number(valueOf(plan, '--kv-cache-memory-bytes'));
    expect(bytes - full).toBe(kvCacheBytes(model, { ...shape, contextTokens: 128 }));
  });

  it('is given for each card: heads are shared, a latent cache is not', () => {
    const [one, two] = [1, 2].map((count) => {
      const model = count === 1 ? testModel('dense-8b-bf16') : testModel('dense-70b-bf16');
      const plan = planOf(engine, input(H100X8, model));
      expect(plan.parallel.tensor).toBe(count);
      return Number(valueOf(plan, '--kv-cache-memory-bytes')) / plan.memoryBytes.kvCache;
    });
    expect(one).toBeCloseTo(1, 1);
    expect(two).toBeCloseTo(0.5, 1);
    const latent = planOf(engine, input(testMachine('synthetic-8x-b200'), testModel('mla-671b')));
    expect(latent.parallel.tensor).toBeGreaterThan(1);
    const bytes = Number(valueOf(latent, '--kv-cache-memory-bytes'));
    expect(bytes).toBeGreaterThanOrEqual(latent.memoryBytes.kvCache);
  });

  it('is left to its own measurement where nobody knows the attention', () => {
    const plan = planOf(engine, input(H200, { ...testModel('dense-8b-bf16'), attention: null }));
    expect(hasFlag(plan, '--kv-cache-memory-bytes')).toBe(false);
  });

  it('on a CPU is whole GiB, and one more where a context fills them to the byte', () => {
    const roomy = { ...RECORDED, memory: { ...RECORDED.memory, bytesAvailable: 64e9 } };
    const plan = planOf(engine, input(roomy, testModel('dense-8b-bf16')));
    expect(plan.environment['VLLM_CPU_KVCACHE_SPACE']).toBe('2');
    expect(plan.memoryBytes.kvCache).toBe(2 * 1024 ** 3);
  });

  it('on a CPU fits by the GiB it is told to take, and no context is offered that would not', () => {
    const model = testModel('dense-8b-bf16');
    const weights = model.artifacts[0]?.weights?.bytesTotal ?? 0;
    const cpu = (gibForCache: number): EngineInput =>
      input(
        {
          ...RECORDED,
          memory: {
            ...RECORDED.memory,
            bytesTotal: 256e9,
            bytesLimit: null,
            bytesAvailable: weights + (3.5 + gibForCache) * 1024 ** 3,
          },
        },
        model,
      );
    const tight = engine.check(cpu(0.9));
    expect(tight.isOk ? [] : tight.reasons.map(({ code }) => code)).toEqual([
      'memory-insufficient',
    ]);
    expect(JSON.stringify(tight)).not.toContain('`--context');
    const plan = planOf(engine, cpu(1));
    expect(plan.environment['VLLM_CPU_KVCACHE_SPACE']).toBe('1');
    expect(plan.contextTokens).toBeLessThan(8192);
  });

  it('on a CPU is left to its own measurement where nobody knows the attention', () => {
    const roomy = { ...RECORDED, memory: { ...RECORDED.memory, bytesAvailable: 64e9 } };
    const plan = planOf(engine, input(roomy, { ...testModel('dense-8b-bf16'), attention: null }));
    expect(plan.environment).not.toHaveProperty('VLLM_CPU_KVCACHE_SPACE');
  });
});

describe('a CPU', () => {
  it('computes with as many threads as it has cores for this process, bound to none', () => {
    const { environment } = planOf(engine, input(RECORDED, testModel('demo-135m-bf16')));
    expect(environment['OMP_NUM_THREADS']).toBe('2');
    expect(environment['VLLM_CPU_OMP_THREADS_BIND']).toBe('nobind');
    const four = { ...RECORDED, cpu: { ...RECORDED.cpu, coresPhysical: 64, coresUsable: 4 } };
    const limited = planOf(engine, input(four, testModel('demo-135m-bf16')));
    expect(limited.environment['OMP_NUM_THREADS']).toBe('4');
  });
});

describe('other devices', () => {
  it('AMD cards get the same arguments and the variable of their own driver', () => {
    const plan = planOf(engine, input(testMachine('synthetic-mi300x'), testModel('dense-8b-bf16')));
    expect(plan.environment['HIP_VISIBLE_DEVICES']).toBe('0');
    expect(plan.environment).not.toHaveProperty('CUDA_VISIBLE_DEVICES');
    expect([plan.recipe, plan.device]).toEqual([null, 'amd']);
  });

  it('Apple Silicon gets a plan for the Metal build, without options of CUDA', () => {
    const apple = testMachine('synthetic-apple-m3-max-64gb');
    const plan = planOf(engine, input(apple, testModel('dense-8b-bf16')));
    expect([plan.engine.build, plan.device, plan.recipe]).toEqual(['vllm-metal', 'apple', null]);
    expect(hasFlag(plan, '--kv-cache-memory-bytes')).toBe(false);
    const embed = engine.check(input(apple, testModel('embed-bf16'), {}, 'embed'));
    expect(embed.isOk ? [] : embed.reasons.map(({ because }) => because)).toEqual([
      'nothing is known of embeddings with its Metal build',
    ]);
  });
});

describe('parsers', () => {
  const parsers = (family: string, name: string): readonly unknown[] => {
    const model = ofFamily('dense-8b-bf16', family, name);
    const plan = planOf(engine, input(H200, model, {}, 'agent'));
    return [valueOf(plan, '--tool-call-parser'), valueOf(plan, '--reasoning-parser')];
  };

  it.each([
    ['llama', 'Llama-3.1-8B-Instruct', 'llama3_json', undefined],
    ['qwen3', 'Qwen3-8B', 'hermes', 'qwen3'],
    ['qwen3_moe', 'Qwen3-30B-A3B-Instruct-2507', 'hermes', undefined],
    ['qwen3_moe', 'Qwen3-Coder-30B-A3B-Instruct', 'qwen3_coder', undefined],
    ['qwen2', 'DeepSeek-R1-Distill-Qwen-7B', 'hermes', 'deepseek_r1'],
    ['gpt_oss', 'gpt-oss-20b', 'openai', 'openai_gptoss'],
    ['mistral', 'Mistral-Small-24B-Instruct-2501', 'mistral', undefined],
  ])('of %s, %s are %s and %s', (family, name, tools, reasoning) => {
    expect(parsers(family, name)).toEqual([tools, reasoning]);
  });

  it('of a family without one: tool calls are refused, not answered as text', () => {
    const model = ofFamily('dense-8b-bf16', 'falcon');
    const verdict = engine.check(input(H200, model, {}, 'agent'));
    expect(verdict.isOk ? [] : verdict.reasons.map(({ because }) => because)).toEqual([
      'has no tool-call parser for the architecture `falcon`',
    ]);
  });

  it('are not given to a pooling model', () => {
    const plan = planOf(engine, input(H200, testModel('embed-bf16'), {}, 'embed'));
    expect(valueOf(plan, '--runner')).toBe('pooling');
    expect(hasFlag(plan, '--reasoning-parser')).toBe(false);
  });
});

it('adapters are enabled where requests name one', () => {
  const model = testModel('dense-8b-bf16');
  const lora = planOf(engine, input(H200, model, { needs: ['lora'] }));
  expect(hasFlag(lora, '--enable-lora')).toBe(true);
  expect(hasFlag(planOf(engine, input(H200, model)), '--enable-lora')).toBe(false);
});

type Artifact = ModelInfo['artifacts'][number];

/** The artifact with as many bytes of weights. */
function scaled(artifact: Artifact, bytes: number): Artifact {
  const { weights } = artifact;
  if (weights === null) throw new Error('the artifact has no index');
  return { ...artifact, bytesOnDisk: bytes, weights: { ...weights, bytesTotal: bytes } };
}

function scaledModel(name: string, bytes: number): ModelInfo {
  const model = testModel(name);
  const artifacts = model.artifacts.filter(({ format }) => format === 'safetensors');
  return { ...model, artifacts: artifacts.map((artifact) => scaled(artifact, bytes)) };
}
