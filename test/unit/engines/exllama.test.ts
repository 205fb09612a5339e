import { describe, expect, it } from 'vitest';
import type { EngineInput } from '../../../src/engines/engine.ts';
import { EMPTY_REQUEST, type GenerateRequest } from '../../../src/engines/request.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { makeWorkload, type WorkloadOverrides } from '../../../src/workloads/presets.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { engineOf, hasFlag, ofFamily, planOf, valueOf } from './gpu-cases.ts';

const three = engineOf('exllamav3');
const two = engineOf('exllamav2');

function input(
  model: ModelInfo,
  overrides: WorkloadOverrides = {},
  name = 'rtx-4090',
): EngineInput {
  const machine = testMachine(`synthetic-${name}`);
  return { machine, model, workload: makeWorkload('chat', overrides), installation: null };
}

const REQUEST: GenerateRequest = {
  ...EMPTY_REQUEST,
  messages: [{ role: 'user', content: 'hi' }],
  schema: { type: 'object' },
  seed: 1,
  ignoreEos: true,
};

describe('ExLlamaV3', () => {
  it('shares layers over two cards, by the link they have', () => {
    const machine = testMachine('synthetic-2x-rtx-3090');
    const unlinked = machine.accelerators.map((card) => ({ ...card, hasPeerLink: false }));
    const model = testModel('dense-70b-all');
    const plans = [machine, { ...machine, accelerators: unlinked }].map((one) =>
      planOf(three, { ...input(model), machine: one }),
    );
    expect(plans.map((plan) => valueOf(plan, '--tensor-parallel-backend'))).toEqual([
      'nccl',
      'native',
    ]);
    expect(hasFlag(planOf(three, input(testModel('dense-8b-exl3'))), '--tensor-parallel')).toBe(
      false,
    );
  });

  it('is given a format for tool calls, and refused where it has none for the family', () => {
    const tools = (family: string, name: string): EngineInput =>
      input(ofFamily('dense-8b-exl3', family, name), { needs: ['tools'] });
    const plan = planOf(three, tools('qwen3_moe', 'Qwen3-Coder-30B-A3B-Instruct'));
    expect(valueOf(plan, '--tool-format')).toBe('qwen3_coder');
    const verdict = three.check(tools('llama', 'Llama-3.1-8B-Instruct'));
    expect(verdict.isOk ? [] : verdict.reasons.map(({ because }) => because)).toEqual([
      'has no tool-call parser for the architecture `llama`',
    ]);
  });

  it('says that it has no seed and no way past the end of a text', () => {
    const plan = planOf(three, input(testModel('dense-8b-exl3')));
    const { body, warnings } = three.adaptRequest(REQUEST, plan);
    expect(warnings.map(({ feature }) => feature)).toEqual(['seed', 'ignore_eos']);
    expect(body).not.toHaveProperty('seed');
  });
});

describe('ExLlamaV2', () => {
  it('is sent a schema without a name around it: it takes all of it for the schema', () => {
    const plan = planOf(two, input(testModel('dense-8b-exl2')));
    const { body, warnings } = two.adaptRequest(REQUEST, plan);
    const format = { type: 'json_schema', json_schema: { type: 'object' } };
    expect(body['response_format']).toEqual(format);
    expect(warnings.map(({ feature }) => feature)).toEqual(['seed']);
  });
});

it('a cache is whole pages, and holds one context or all requests, whichever is more', () => {
  const sizes = [1, 16].map((concurrency) => {
    const plan = planOf(two, input(testModel('dense-8b-exl2'), { concurrency }));
    return [valueOf(plan, '--cache-size'), valueOf(plan, '--max-batch-size')];
  });
  expect(sizes).toEqual([
    ['8192', '1'],
    [String(16 * 768), '16'],
  ]);
});
