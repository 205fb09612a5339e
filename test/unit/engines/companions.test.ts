/** Draft models and adapters: who takes them, what they cost, and how each engine is told. */
import { describe, expect, it } from 'vitest';
import type { EngineInput } from '../../../src/engines/engine.ts';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import { kvCacheBytes } from '../../../src/models/memory.ts';
import type { Adapter, ModelInfo } from '../../../src/models/model.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { planLaunch } from '../../../src/plan/plan.ts';
import { engineOf, planOf, withCards } from './gpu-cases.ts';

const TARGET = testModel('dense-8b-all');
const DRAFT: ModelInfo = { ...testModel('demo-135m-both'), vocabularySize: TARGET.vocabularySize };
const GGUF_ADAPTER: Adapter = {
  name: 'polite',
  path: '/adapters/polite.gguf',
  format: 'gguf',
  rank: 20,
  hiddenSize: TARGET.hiddenSize,
  bytesOnDisk: 80_000_000,
  modifiedAtMs: 0,
};
const PEFT_ADAPTER: Adapter = { ...GGUF_ADAPTER, path: '/adapters/polite', format: 'safetensors' };
const H200 = testMachine('synthetic-h200');

function input(model: ModelInfo, machine = H200): EngineInput {
  return { machine, model, workload: makeWorkload('chat'), installation: null };
}

/** Words of the command line that a companion brings. */
function added(id: string, model: ModelInfo, machine = H200): readonly string[] {
  const words = (of: ModelInfo): readonly string[] =>
    planOf(engineOf(id), input(of, machine)).args.map(({ flag, value }) =>
      value === null ? flag : `${flag} ${value}`,
    );
  const bare = words({ ...TARGET, artifacts: model.artifacts });
  return words(model).filter((word) => !bare.includes(word));
}

const codesOf = (id: string, model: ModelInfo): readonly string[] => {
  const verdict = engineOf(id).check(input(model));
  return verdict.isOk ? [] : verdict.reasons.map(({ code }) => code);
};

describe('a draft model', () => {
  const model = { ...TARGET, draft: DRAFT };
  const pathOf = (format: string): string =>
    DRAFT.artifacts.find((artifact) => artifact.format === format)?.path ?? `{${DRAFT.ref}}`;

  it('is named to llama.cpp, and put on the card', () => {
    expect(added('llama-cpp', model)).toEqual([
      '--spec-type draft-simple',
      `--spec-draft-model ${pathOf('gguf')}`,
      '--spec-draft-n-max 3',
      '--spec-draft-ngl all',
    ]);
  });

  it('is named to vLLM as JSON', () => {
    const config = { model: pathOf('safetensors'), num_speculative_tokens: 3 };
    expect(added('vllm', model)).toEqual([
      `--speculative-config ${JSON.stringify(config)}`,
      // Room for both caches.
      expect.stringMatching(/^--kv-cache-memory-bytes \d+$/),
    ]);
  });

  it('is named to SGLang, which checks one token more than is proposed', () => {
    expect(added('sglang', model)).toEqual([
      '--speculative-algorithm STANDALONE',
      `--speculative-draft-model-path ${pathOf('safetensors')}`,
      '--speculative-num-steps 3',
      '--speculative-eagle-topk 1',
      '--speculative-num-draft-tokens 4',
    ]);
  });

  it('takes weights and a KV cache of its own', () => {
    const bare = planOf(engineOf('llama-cpp'), input(TARGET));
    const plan = planOf(engineOf('llama-cpp'), input(model));
    const weights = DRAFT.artifacts.find(({ format }) => format === 'gguf')?.weights;
    expect(plan.memoryBytes.weights - bare.memoryBytes.weights).toBe(weights?.bytesTotal);
    const shape = { contextTokens: plan.contextTokens, sequences: plan.slots, bytesPerElement: 2 };
    expect(plan.memoryBytes.kvCache - bare.memoryBytes.kvCache).toBe(kvCacheBytes(DRAFT, shape));
    expect(plan.draft).toMatchObject({ name: DRAFT.name, artifact: { format: 'gguf' } });
  });

  it('with another vocabulary is refused, with both numbers', () => {
    const stranger = { ...TARGET, draft: { ...DRAFT, vocabularySize: 1000 } };
    const verdict = engineOf('vllm').check(input(stranger));
    expect(verdict).toMatchObject({
      isOk: false,
      reasons: [{ code: 'draft-mismatch', because: expect.stringContaining('1000') as string }],
    });
  });

  it('with a padded vocabulary is taken by llama.cpp and by nobody else', () => {
    const padded = { ...DRAFT, vocabularySize: (TARGET.vocabularySize ?? 0) + 128 };
    expect(codesOf('llama-cpp', { ...TARGET, draft: padded })).toEqual([]);
    expect(codesOf('vllm', { ...TARGET, draft: padded })).toEqual(['draft-mismatch']);
  });

  it('in no format of the engine is refused by its name', () => {
    const gguf = { ...DRAFT, artifacts: DRAFT.artifacts.filter(({ format }) => format === 'gguf') };
    const verdict = engineOf('vllm').check(input({ ...TARGET, draft: gguf }));
    expect(verdict).toMatchObject({
      isOk: false,
      reasons: [
        { code: 'format-unsupported', because: expect.stringContaining(DRAFT.name) as string },
      ],
    });
  });
});

describe('an adapter', () => {
  it('is a file for llama.cpp', () => {
    const model = { ...TARGET, adapter: GGUF_ADAPTER };
    expect(added('llama-cpp', model)).toEqual(['--lora /adapters/polite.gguf']);
  });

  it('has the name that requests use in vLLM, and room for its rank', () => {
    expect(added('vllm', { ...TARGET, adapter: PEFT_ADAPTER })).toEqual([
      '--served-model-name {served-name}-bare',
      '--enable-lora',
      '--lora-modules {"name":"{served-name}","path":"/adapters/polite"}',
      '--max-lora-rank 32',
    ]);
  });

  it('is asked of SGLang behind a colon', () => {
    const engine = engineOf('sglang');
    const plan = planOf(engine, input({ ...TARGET, adapter: PEFT_ADAPTER }));
    const { body } = engine.adaptRequest({ ...EMPTY_REQUEST, messages: [] }, plan);
    expect(body['model']).toBe(`${TARGET.name}:adapter`);
    expect(added('sglang', { ...TARGET, adapter: PEFT_ADAPTER })).toEqual([
      '--lora-paths adapter=/adapters/polite',
    ]);
  });

  it('counts as weights', () => {
    const bare = planOf(engineOf('vllm'), input(TARGET));
    const plan = planOf(engineOf('vllm'), input({ ...TARGET, adapter: PEFT_ADAPTER }));
    expect(plan.memoryBytes.weights - bare.memoryBytes.weights).toBe(80_000_000);
  });

  it('in the other format, or of another model, is refused', () => {
    expect(codesOf('llama-cpp', { ...TARGET, adapter: PEFT_ADAPTER })).toEqual(['adapter-format']);
    expect(codesOf('vllm', { ...TARGET, adapter: GGUF_ADAPTER })).toEqual(['adapter-format']);
    const small = { ...PEFT_ADAPTER, hiddenSize: 576 };
    expect(codesOf('vllm', { ...TARGET, adapter: small })).toEqual(['adapter-mismatch']);
  });
});

describe('on several cards', () => {
  const CARDS = testMachine('synthetic-4x-rtx-4090');
  const H100X8 = testMachine('synthetic-8x-h100');
  const large = (heads: number): ModelInfo => ({
    ...testModel('dense-32b-all'),
    draft: {
      ...DRAFT,
      attentionHeads: heads,
      attention: [{ kind: 'full', layers: 24, kvHeads: 2, headDimKey: 64, headDimValue: 64 }],
    },
  });

  it.each(['vllm', 'sglang'])(
    '%s shares layers only where the heads of both come out even',
    (id) => {
      const tensorOf = (heads: number): number =>
        planOf(engineOf(id), input(large(heads), CARDS)).parallel.tensor;
      expect(tensorOf(16)).toBe(4);
      // 14 heads go into two equal parts, not into four.
      expect(tensorOf(14)).not.toBe(4);
    },
  );

  it('is refused where only a pipeline would hold the model', () => {
    const three = withCards(CARDS, 3);
    const model = testModel('dense-70b-all');
    expect(planOf(engineOf('vllm'), input(model, three)).parallel.pipeline).toBe(3);
    const verdict = engineOf('vllm').check(input({ ...model, draft: DRAFT }, three));
    expect(verdict).toMatchObject({ isOk: false });
  });

  it('has room for one full context of both, and no copies', () => {
    const workload = makeWorkload('batch', { concurrency: 64, contextTokens: 32_768 });
    const model = { ...TARGET, draft: DRAFT };
    const plan = planOf(engineOf('vllm'), { ...input(model, H100X8), workload });
    const shape = { contextTokens: 32_768, sequences: 1, bytesPerElement: 2 };
    const least = (kvCacheBytes(TARGET, shape) ?? 0) + (kvCacheBytes(DRAFT, shape) ?? 0);
    expect(plan.args.some(({ flag }) => flag === '--data-parallel-size')).toBe(false);
    const told = plan.args.find(({ flag }) => flag === '--kv-cache-memory-bytes')?.value;
    expect(Number(told)).toBeGreaterThan(least);
  });
});

describe('what cannot be', () => {
  it('a draft and an adapter at once, with SGLang', () => {
    const model = { ...TARGET, draft: DRAFT, adapter: PEFT_ADAPTER };
    expect(codesOf('sglang', model)).toEqual(['companion-unsupported']);
    expect(codesOf('vllm', model)).toEqual([]);
  });

  it('more than one request at once, with MLX and a draft', () => {
    const machine = testMachine('synthetic-apple-m3-max-64gb');
    const workload = makeWorkload('chat', { concurrency: 8 });
    const verdict = engineOf('mlx').check({
      ...input({ ...TARGET, draft: DRAFT }, machine),
      workload,
    });
    expect(verdict).toMatchObject({ isOk: true, slots: 1 });
    expect(verdict.isOk && verdict.notes.map(({ code }) => code)).toContain('slots-shrunk');
  });

  it('an adapter of a higher rank than vLLM has room for', () => {
    const adapter = { ...PEFT_ADAPTER, rank: 1024 };
    expect(codesOf('vllm', { ...TARGET, adapter })).toEqual(['adapter-rank']);
  });
});

describe('memory', () => {
  it('of llama.cpp holds a second compute buffer', () => {
    const { overhead } = planOf(engineOf('llama-cpp'), input(TARGET)).memoryBytes;
    const both = planOf(engineOf('llama-cpp'), input({ ...TARGET, draft: DRAFT })).memoryBytes;
    const width = (DRAFT.vocabularySize ?? 0) + (DRAFT.hiddenSize ?? 0);
    expect(both.overhead - overhead).toBe(512 * 4 * width);
  });

  it('is called unknown where the draft says nothing of its attention', () => {
    const verdict = engineOf('llama-cpp').check(
      input({ ...TARGET, draft: { ...DRAFT, attention: null } }),
    );
    expect(verdict.isOk && verdict.notes.map(({ code }) => code)).toContain('memory-unknown');
  });

  it('that is short leads to a hint without what the draft takes', () => {
    const model = testModel('dense-32b-gguf');
    const machine = testMachine('synthetic-laptop-avx2-8gb');
    const bitsOf = (of: ModelInfo): number => {
      const verdict = engineOf('llama-cpp').check(input(of, machine));
      const hints = verdict.isOk ? [] : verdict.reasons.map(({ hint }) => hint ?? '');
      return Number(/at most ([\d.]+)/.exec(hints.join(' '))?.[1]);
    };
    const heavy = testModel('dense-8b-gguf');
    expect(
      bitsOf({ ...model, draft: { ...heavy, vocabularySize: model.vocabularySize } }),
    ).not.toBe(bitsOf(model));
  });

  it('is read in a longer start', () => {
    const deadlineOf = (model: ModelInfo): number =>
      planOf(engineOf('llama-cpp'), input(model)).readiness.deadlineMs;
    const draft = { ...testModel('dense-8b-gguf'), vocabularySize: TARGET.vocabularySize };
    expect(deadlineOf({ ...TARGET, draft })).toBeGreaterThan(deadlineOf(TARGET) + 60_000);
  });
});

describe('a session', () => {
  const keyOf = (model: ModelInfo): string => {
    const engine = engineOf('vllm');
    const verdict = engine.check(input(model));
    if (!verdict.isOk) throw new Error('refused');
    return planLaunch(engine, input(model), verdict).fingerprint;
  };

  it('is not shared with an adapter that was trained again under its old name', () => {
    const before = { ...TARGET, adapter: PEFT_ADAPTER };
    const after = { ...TARGET, adapter: { ...PEFT_ADAPTER, modifiedAtMs: 1 } };
    expect(keyOf(before)).toBe(keyOf({ ...before }));
    expect(keyOf(after)).not.toBe(keyOf(before));
  });
});
