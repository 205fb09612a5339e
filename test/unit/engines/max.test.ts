import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import type { Engine, EngineInput, EnginePlan } from '../../../src/engines/engine.ts';
import type { GenerateRequest } from '../../../src/engines/request.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { inputOf } from './shared/support.ts';

const engine = ENGINES.find(({ id }) => id === 'max') as Engine; // The list is tested.
const RECORDED = testMachine('recorded-epyc-2core');
const CARD = testMachine('synthetic-rtx-4090');

function planOf(input: EngineInput): EnginePlan {
  const verdict = engine.check(input);
  if (!verdict.isOk) throw new Error(verdict.reasons.map(({ because }) => because).join('; '));
  return engine.plan(input, verdict);
}

function words(plan: EnginePlan): readonly string[] {
  return plan.args.map(({ flag, value }) => (value === null ? flag : `${flag} ${value}`));
}

function refusals(input: EngineInput): readonly string[] {
  const verdict = engine.check(input);
  return verdict.isOk ? [] : verdict.reasons.map(({ because }) => because);
}

describe('the plan on a CPU', () => {
  it('is a command that depends on none of its defaults', () => {
    const plan = planOf(inputOf(RECORDED, 'demo-135m-bf16', { concurrency: 8 }));
    expect(words(plan)).toMatchInlineSnapshot(`
      [
        "--model /models/demo-135m-bf16-bf16",
        "--served-model-name {served-name}",
        "--host {host}",
        "--port {port}",
        "--devices cpu",
        "--quantization-encoding float32",
        "--max-length 8192",
        "--max-batch-size 8",
      ]
    `);
    expect([plan.recipe, plan.listen, plan.readiness.path]).toEqual(['all', 'tcp', '/health']);
  });

  it('sends nothing out, keeps what it compiled, and has its metrics on no port of their own', () => {
    expect(planOf(inputOf(RECORDED, 'demo-135m-bf16')).environment).toEqual({
      HF_HUB_OFFLINE: '1',
      OTEL_SDK_DISABLED: 'true',
      MAX_SERVE_METRIC_RECORDING_METHOD: 'ASYNCIO',
      MODULAR_CACHE_DIR: '{cache}',
    });
  });

  it('counts weights and pages for all slots in float32', () => {
    const overrides = { concurrency: 8, contextTokens: 2048 };
    const { memoryBytes } = planOf(inputOf(RECORDED, 'demo-135m-bf16', overrides));
    const bytesPerToken = 30 * 3 * (64 + 64) * 4;
    expect(memoryBytes.kvCache).toBe(8 * 2048 * bytesPerToken);
    expect(memoryBytes.weights).toBe(4 * 134_515_008);
  });
});

describe('the device', () => {
  it('changes by one switch: where it computes and in which numbers', () => {
    const onCpu = planOf(inputOf(CARD, 'demo-135m-bf16', { device: 'cpu' }));
    const onCard = planOf(inputOf(CARD, 'demo-135m-bf16', { device: 'gpu' }));
    const differing = (a: EnginePlan, b: EnginePlan): readonly string[] =>
      words(a).filter((word) => !words(b).includes(word));
    expect(differing(onCpu, onCard)).toEqual(['--devices cpu', '--quantization-encoding float32']);
    expect(differing(onCard, onCpu)).toEqual([
      '--devices gpu:0',
      '--quantization-encoding bfloat16',
    ]);
    // One environment for all: nothing is installed twice.
    expect([onCpu.recipe, onCard.recipe]).toEqual(['all', 'all']);
  });

  it('names every card that shares the model', () => {
    const cards = testMachine('synthetic-8x-h100');
    const plan = planOf(inputOf(cards, 'dense-70b-bf16', { contextTokens: 131_072 }));
    expect(plan.args.find(({ flag }) => flag === '--devices')?.value).toMatch(/^gpu:0,1/);
  });
});

describe('what it refuses', () => {
  it('is GGUF, naming what it loads instead', () => {
    expect(refusals(inputOf(RECORDED, 'demo-135m'))).toEqual([
      expect.stringMatching(/^loads safetensors .*demo-135m is there as gguf Q4_1$/),
    ]);
  });

  it('is weights in fp8, and a family it has not in float32, on a CPU', () => {
    expect(refusals(inputOf(RECORDED, 'mla-671b'))).toEqual([
      'computes `deepseek_v3` in bfloat16 or fp8, and on a CPU in float32 alone',
      'loads safetensors on the CPU, mla-671b is there as fp8 fp8, gguf Q4_K_M',
    ]);
  });

  it('is numbers that it cannot cast from', () => {
    const half = inputOf(RECORDED, 'demo-135m-bf16');
    const artifacts = half.model.artifacts.map((one) => ({ ...one, quantization: 'fp16' }));
    expect(refusals({ ...half, model: { ...half.model, artifacts } })).toEqual([
      'loads safetensors in fp32, float32, bf16, bfloat16 here, not in fp16',
    ]);
  });

  it('is tool calls of a family it has no parser for, and answers in a given form', () => {
    expect(refusals(inputOf(CARD, 'demo-135m-bf16', { needs: ['tools'] }))).toEqual([
      'has no tool-call parser for the architecture `llama`',
    ]);
    expect(refusals(inputOf(CARD, 'demo-135m-bf16', { needs: ['structured-output'] }))).toEqual([
      'the workload needs answers that match a JSON schema, which it does not offer',
    ]);
  });

  it('is a Mac with an Intel processor', () => {
    const mac = testMachine('synthetic-apple-m2-16gb');
    const intel = { ...mac, cpu: { ...mac.cpu, architecture: 'x64' as const }, accelerators: [] };
    expect(refusals(inputOf(intel, 'demo-135m-bf16'))).toEqual([
      'has builds for Apple Silicon on macOS, this CPU is x64',
    ]);
    expect(refusals(inputOf(mac, 'demo-135m-bf16'))).toEqual([]);
  });
});

describe('the request', () => {
  it('holds only fields it knows, for any other is answered with 400', () => {
    const request: GenerateRequest = {
      messages: [{ role: 'user', content: 'Hi' }],
      maxTokens: 8,
      temperature: 0,
      topP: 0.9,
      seed: 7,
      stop: ['.'],
      schema: { type: 'object' },
      ignoreEos: true,
      promptCache: false,
    };
    const plan = planOf(inputOf(RECORDED, 'demo-135m-bf16'));
    const { body, warnings } = engine.adaptRequest(request, plan);
    // Each was sent to 26.7.0 and accepted.
    expect(Object.keys(body).sort()).toEqual([
      'ignore_eos',
      'max_tokens',
      'messages',
      'model',
      'seed',
      'stop',
      'stream',
      'stream_options',
      'temperature',
      'top_p',
    ]);
    expect(warnings).toEqual([
      {
        feature: 'json_schema',
        message: 'MAX answers `json_schema` with an error, so it was left out',
      },
    ]);
  });
});
