import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import type { Engine, EngineInput, EnginePlan, Installation } from '../../../src/engines/engine.ts';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { inputOf } from './shared/support.ts';

const engine = ENGINES.find(({ id }) => id === 'llama-cpp') as Engine; // The list is tested.

function planOf(input: EngineInput): EnginePlan {
  const verdict = engine.check(input);
  if (!verdict.isOk) throw new Error(verdict.reasons.map(({ because }) => because).join('; '));
  return engine.plan(input, verdict);
}

function words(plan: EnginePlan): readonly string[] {
  return plan.args.map(({ flag, value }) => (value === null ? flag : `${flag} ${value}`));
}

function valueOf(plan: EnginePlan, name: string): string | null | undefined {
  return plan.args.find(({ flag }) => flag === name)?.value;
}

const RECORDED = testMachine('recorded-epyc-2core');

const OWN_BINARY: Installation = {
  version: 'b11434',
  build: 'llama-server',
  recipe: null,
  path: '/usr/local/bin/llama-server',
  devices: ['cpu'],
};

describe('the plan on a CPU', () => {
  it('is the command a careful person would type', () => {
    expect(words(planOf(inputOf(RECORDED, 'demo-135m')))).toMatchInlineSnapshot(`
      [
        "--model /models/demo-135m-Q4_1.gguf",
        "--alias {served-name}",
        "--host {socket}",
        "--ctx-size 8192",
        "--parallel 1",
        "--threads 2",
        "--threads-batch 2",
        "--fit off",
        "--cache-ram 3013",
        "--metrics",
        "--no-ui",
        "--offline",
      ]
    `);
  });

  it('starts from the environment for CPUs, over a unix socket', () => {
    const plan = planOf(inputOf(RECORDED, 'demo-135m'));
    expect([plan.recipe, plan.executable, plan.listen]).toEqual(['cpu', null, 'unix']);
    expect(plan.engine).toEqual({ id: 'llama-cpp', version: '2026.10.11549', build: 'xllamacpp' });
  });

  it('asks for large pages where glibc can, and only for what is computed on the CPU', () => {
    const variables = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };
    expect(planOf(inputOf(RECORDED, 'demo-135m')).environment).toEqual(variables);
    const mac = testMachine('synthetic-apple-m2-16gb');
    expect(planOf(inputOf(mac, 'demo-135m', { device: 'cpu' })).environment).toEqual({});
    const card = testMachine('synthetic-rtx-4090');
    expect(planOf(inputOf(card, 'demo-135m')).environment).toEqual({});
  });

  it('says what context there will be: llama.cpp rounds up to 256 tokens a slot', () => {
    const plan = planOf(inputOf(RECORDED, 'demo-135m', { contextTokens: 300 }));
    expect(plan.contextTokens).toBe(512);
    expect(valueOf(plan, '--ctx-size')).toBe('512');
  });

  it('shares one context size between the slots', () => {
    const plan = planOf(inputOf(RECORDED, 'demo-135m', { concurrency: 8 }));
    expect(valueOf(plan, '--parallel')).toBe('8');
    expect(valueOf(plan, '--ctx-size')).toBe(String(8 * 8192));
  });

  it('takes physical cores, and no more than the process may use', () => {
    const laptop = planOf(inputOf(testMachine('synthetic-laptop-avx2-8gb'), 'demo-135m'));
    expect(valueOf(laptop, '--threads')).toBe('4');
    const container = planOf(inputOf(testMachine('synthetic-container-4gib'), 'demo-135m'));
    expect(valueOf(container, '--threads')).toBe('4');
  });

  it('leaves the threads to the engine when the cores are unknown', () => {
    const plan = planOf(inputOf(testMachine('synthetic-all-unknown'), 'demo-135m'));
    expect(valueOf(plan, '--threads')).toBeUndefined();
  });

  it('leaves the loading of weights to the engine, and spares it the search for a fit', () => {
    const plan = planOf(inputOf(RECORDED, 'demo-135m'));
    expect([valueOf(plan, '--load-mode'), valueOf(plan, '--fit')]).toEqual([undefined, 'off']);
  });

  it('does not change with what happens to be free', () => {
    const { memory } = RECORDED;
    const busy = { ...RECORDED, memory: { ...memory, bytesAvailable: 4e9 } };
    expect(planOf(inputOf(busy, 'demo-135m'))).toEqual(planOf(inputOf(RECORDED, 'demo-135m')));
  });

  it('encodes inputs in one piece for embeddings and reranking', () => {
    const workload = makeWorkload('rerank');
    const plan = planOf({
      machine: RECORDED,
      model: testModel('rerank-both'),
      workload,
      installation: null,
    });
    expect(words(plan)).toEqual(
      expect.arrayContaining(['--embedding', '--pooling rank', '--ubatch-size 8192']),
    );
  });

  it('plans for the micro-batch that its flag asks for, and none of it for a missing head', () => {
    const roomy = { ...RECORDED, memory: { ...RECORDED.memory, bytesAvailable: 64e9 } };
    const demo = testModel('demo-135m');
    const planned = (architecture: string, name: 'chat' | 'embed'): EnginePlan =>
      planOf({
        machine: roomy,
        model: { ...demo, architecture, task: name, vocabularySize: 49_152, hiddenSize: 576 },
        workload: makeWorkload(name, { contextTokens: 2048 }),
        installation: null,
      });
    const overhead = (plan: EnginePlan): number => plan.memoryBytes.overhead - 96 * 1024 ** 2;
    const embed = planned('llama', 'embed');
    expect(valueOf(embed, '--ubatch-size')).toBe('2048');
    expect(overhead(embed)).toBe(4 * overhead(planned('llama', 'chat')));
    expect(overhead(planned('nomic-bert', 'embed'))).toBe(2048 * 4 * 576);
  });
});

describe('the plan on GPUs', () => {
  it('puts all layers on the card when they fit', () => {
    const plan = planOf(inputOf(testMachine('synthetic-rtx-4090'), 'dense-8b-gguf'));
    expect(words(plan)).toEqual(expect.arrayContaining(['--n-gpu-layers all', '--fit off']));
    expect([plan.recipe, plan.device]).toEqual(['cuda', 'nvidia']);
  });

  it('lets the engine measure how many layers fit when not all do', () => {
    const plan = planOf(inputOf(testMachine('synthetic-rtx-4090'), 'dense-70b-gguf'));
    expect(words(plan)).toEqual(expect.arrayContaining(['--n-gpu-layers auto', '--fit on']));
  });

  it.each([
    ['synthetic-rx-7900-xtx', 'rocm'],
    ['synthetic-strix-halo', 'vulkan'],
    ['synthetic-intel-arc-b580', 'vulkan'],
    ['synthetic-apple-m2-16gb', 'cpu'],
  ])('installs for %s the build `%s`', (machine, recipe) => {
    expect(planOf(inputOf(testMachine(machine), 'dense-8b-gguf')).recipe).toBe(recipe);
  });

  it('has no ready-made build for Instinct cards, and takes the user’s own', () => {
    const input = inputOf(testMachine('synthetic-mi300x'), 'dense-8b-gguf');
    expect(engine.check(input)).toMatchObject({ reasons: [{ code: 'gfx-unsupported' }] });
    const installation: Installation = { ...OWN_BINARY, devices: ['cpu', 'amd'] };
    expect(planOf({ ...input, installation }).device).toBe('amd');
  });
});

describe('a binary of the user', () => {
  const input = inputOf(RECORDED, 'demo-135m');

  it('is started itself, without an environment', () => {
    const plan = planOf({ ...input, installation: OWN_BINARY });
    expect([plan.executable, plan.recipe]).toEqual(['/usr/local/bin/llama-server', null]);
    expect(plan.engine).toMatchObject({ version: 'b11434', build: 'llama-server' });
  });

  it.each(['b10883', '9999', '0.4.9'])('of version %s is too old for our flags', (version) => {
    const verdict = engine.check({ ...input, installation: { ...OWN_BINARY, version } });
    expect(verdict).toMatchObject({ isOk: false, reasons: [{ code: 'version-too-old' }] });
  });

  it.each(['b10884', '11434', '0.5.1', 'unknown'])('of version %s is taken', (version) => {
    expect(engine.check({ ...input, installation: { ...OWN_BINARY, version } }).isOk).toBe(true);
  });

  it('without GPU code never leaves a GPU idle in silence', () => {
    const gpu = inputOf(testMachine('synthetic-rtx-4090'), 'dense-8b-gguf');
    const verdict = engine.check({ ...gpu, installation: OWN_BINARY });
    expect(verdict).toMatchObject({ isOk: false, reasons: [{ code: 'build-lacks-device' }] });
  });

  it('is recognized by what it prints', () => {
    const [program] = engine.programs ?? [];
    const read = program?.readVersion(
      'version: 11434 (b4d6c7d8f)\nbuilt with GNU 13.3.1 for Linux x86_64\n',
      'Available devices:\n  CUDA0: NVIDIA GeForce RTX 3080 Ti (11909 MiB, 11650 MiB free)\n',
    );
    expect(read).toEqual({ version: '11434', devices: ['cpu', 'nvidia'], refusal: null });
    expect(program?.readVersion('another program 1.0', '')).toBeNull();
    expect(program?.readVersion('version: 4000 (abc)', '')?.refusal).toBe(
      'is build 4000, older than 10884',
    );
  });
});

describe('the request', () => {
  it('asks for prefill progress and says whether the prompt cache may be used', () => {
    const plan = planOf(inputOf(RECORDED, 'demo-135m'));
    const request = { ...EMPTY_REQUEST, messages: [{ role: 'user', content: 'hi' }] } as const;
    expect(engine.adaptRequest({ ...request, promptCache: false }, plan).body)
      .toMatchInlineSnapshot(`
        {
          "cache_prompt": false,
          "messages": [
            {
              "content": "hi",
              "role": "user",
            },
          ],
          "model": "demo-135m",
          "return_progress": true,
          "stream": true,
          "stream_options": {
            "include_usage": true,
          },
        }
      `);
  });
});
