import { describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import {
  decide,
  decideDriven,
  engineInput,
  type DecideInput,
} from '../../../src/decision/decide.ts';
import { insteadOfInstall } from '../../../src/decision/reasons.ts';
import type { Engine, Installation } from '../../../src/engines/engine.ts';
import type { WorkloadOverrides } from '../../../src/workloads/presets.ts';
import type { WorkloadName } from '../../../src/workloads/workload.ts';
import { inputOf } from './golden.ts';

function caseOf(
  machine: string,
  model: string,
  workload: WorkloadOverrides & { readonly for: WorkloadName } = { for: 'chat' },
): DecideInput {
  return inputOf({ machine, model, workload });
}

function errorOf(run: () => unknown): HyperLlamaError {
  try {
    run();
  } catch (error) {
    if (error instanceof HyperLlamaError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const HERE = 'recorded-epyc-2core';
const CROWD = { for: 'batch' } as const;

describe('decide', () => {
  it('gives the reason of the tree first, short enough for one line', () => {
    const { because } = decide(caseOf(HERE, 'demo-135m'));
    expect(because[0]).toEqual({ code: 'row-4a', because: 'CPU only, GGUF, one user', hint: null });
    expect(because.map(({ code }) => code)).toEqual(['row-4a', 'machine', 'format', 'workload']);
  });

  it('flips with the workload on one and the same machine', () => {
    expect(decide(caseOf(HERE, 'demo-135m-both')).engine.id).toBe('llama-cpp');
    expect(decide(caseOf(HERE, 'demo-135m-both', CROWD)).engine.id).toBe('vllm');
  });

  it('names every other engine once, the eligible ones first', () => {
    const input = caseOf('synthetic-h200', 'dense-8b-all', { for: 'chat', concurrency: 16 });
    const { rejected, engine } = decide(input);
    const ids = [engine, ...rejected.map((one) => one.engine)].map(({ id }) => id);
    expect([...ids].sort()).toEqual(input.engines.map(({ id }) => id).sort());
    const eligible = rejected.map(({ isEligible }) => isEligible);
    expect(eligible).toEqual([...eligible].sort((a, b) => Number(b) - Number(a)));
    expect(rejected.every(({ reasons }) => reasons.length > 0)).toBe(true);
  });

  it('names a candidate worth measuring beside the choice', () => {
    const input = caseOf('synthetic-a100-80gb', 'dense-8b-all', {
      for: 'batch',
      stability: 'frozen',
    });
    expect(decide(input).because).toContainEqual({
      code: 'candidate',
      because: 'TensorRT-LLM is worth measuring here',
      // This version cannot start it, so there is no command to run.
      hint: null,
    });
  });

  it('computes whether prompts or answers take the time', () => {
    const text = (overrides: WorkloadOverrides): string | undefined =>
      decide(caseOf(HERE, 'dense-8b-gguf', { for: 'chat', ...overrides })).because.find(
        ({ code }) => code === 'workload',
      )?.because;
    expect(text({ promptTokens: 4000, outputTokens: 10 })).toContain('prefill-bound');
    expect(text({ promptTokens: 10, outputTokens: 4000 })).toContain('decode-bound');
  });

  it('takes an engine that was asked for, whatever the tree says', () => {
    const decision = decide({ ...caseOf(HERE, 'demo-135m-both'), engineId: 'vllm' });
    expect([decision.engine.id, decision.row, decision.because[0]?.code]).toEqual([
      'vllm',
      'asked',
      'asked',
    ]);
  });

  it('refuses an engine that was asked for with its own reasons alone', () => {
    const error = errorOf(() => decide({ ...caseOf(HERE, 'demo-135m'), engineId: 'sglang' }));
    expect(error.code).toBe('HL_NO_ENGINE_FITS');
    expect(error.details['refusals']).toEqual([
      {
        engine: 'SGLang',
        reasons: [
          {
            code: 'device-unsupported',
            because: 'computes on NVIDIA GPUs, AMD GPUs, not on the CPU',
            hint: null,
          },
        ],
      },
    ]);
  });

  it('knows the nearest name of an engine nobody has', () => {
    const error = errorOf(() => decide({ ...caseOf(HERE, 'demo-135m'), engineId: 'lama-cpp' }));
    expect([error.code, error.details['nearest']]).toEqual(['HL_ENGINE_UNKNOWN', ['llama-cpp']]);
  });

  it('gives every engine’s reasons when nothing fits', () => {
    const input = caseOf(HERE, 'dense-70b-gguf');
    const error = errorOf(() => decide(input));
    const refusals = error.details['refusals'] as readonly { readonly engine: string }[];
    expect(refusals.map(({ engine }) => engine)).toEqual(input.engines.map(({ name }) => name));
    expect(error.message).toContain('needs 4');
  });

  it('does not choose an engine that only proves itself on this CPU, unless asked', () => {
    const input = caseOf(HERE, 'dense-8b-mlx');
    expect(errorOf(() => decide(input)).code).toBe('HL_NO_ENGINE_FITS');
    expect(decide({ ...input, engineId: 'mlx' }).engine.id).toBe('mlx');
  });
});

describe('a tie of equal strength', () => {
  // Two engines alike but for their names.
  const twin = (id: string): Engine => {
    const [model] = caseOf(HERE, 'demo-135m').engines.filter((engine) => engine.isDriven);
    if (model === undefined) throw new Error('no driven engine');
    return { ...model, id, name: id };
  };
  const input = { ...caseOf(HERE, 'demo-135m'), engines: [twin('one'), twin('two'), twin('six')] };
  const installation: Installation = {
    version: '2026.10.11549',
    build: 'xllamacpp',
    recipe: 'cpu',
    path: '/environment',
    devices: ['cpu'],
  };

  it('goes to the one that is installed', () => {
    const installations = new Map([['two', installation]]);
    expect(decide({ ...input, installations }).engine.id).toBe('two');
  });

  it('goes to the one that runs before the one that is installed', () => {
    const installations = new Map([['two', installation]]);
    expect(decide({ ...input, installations, running: ['six'] }).engine.id).toBe('six');
  });
});

describe('decideDriven', () => {
  /** As if this version could start llama.cpp only. */
  const onlyLlama = (input: DecideInput): DecideInput => ({
    ...input,
    engines: input.engines.map((engine) => ({ ...engine, isDriven: engine.id === 'llama-cpp' })),
  });

  it('chooses among what can be started, and names the better one that cannot', () => {
    const decision = decideDriven(onlyLlama(caseOf(HERE, 'demo-135m-both', CROWD)));
    expect(decision.engine.id).toBe('llama-cpp');
    expect(decision.because.at(-1)).toEqual({
      code: 'better-not-driven',
      because: 'vLLM would be first here, but this version cannot start it',
      hint: null,
    });
  });

  it('says nothing of the kind when the first choice can be started', () => {
    const { because } = decideDriven(caseOf(HERE, 'demo-135m-both'));
    expect(because.map(({ code }) => code)).not.toContain('better-not-driven');
  });

  it('says which engine would serve it when none that can be started does', () => {
    const error = errorOf(() => decideDriven(onlyLlama(caseOf(HERE, 'demo-135m-bf16'))));
    expect(error.code).toBe('HL_NO_ENGINE_FITS');
    expect(error.message).toContain('vLLM: could serve it, but this version cannot start it yet');
  });

  it('refuses an engine it cannot start by name, with one that it can', () => {
    const input = { ...onlyLlama(caseOf(HERE, 'demo-135m-both')), engineId: 'vllm' };
    const error = errorOf(() => decideDriven(input));
    expect([error.code, error.details['alternative']]).toEqual([
      'HL_ENGINE_NOT_DRIVEN',
      'llama.cpp',
    ]);
  });
});

describe('decideDriven where an engine has no build for the card', () => {
  const onMi300x = caseOf('synthetic-mi300x', 'dense-8b-bf16');

  it('says how to get one, instead of an install that must fail', () => {
    // MAX has a build for it.
    const engines = onMi300x.engines.filter(({ id }) => id !== 'max');
    const error = errorOf(() => decideDriven({ ...onMi300x, engines }));
    expect(error.code).toBe('HL_NO_ENGINE_FITS');
    expect(error.message).toContain(
      'vLLM: could serve it, but cannot be installed: its builds for ROCm are on an index of its project',
    );
    expect(error.message).toContain('SGLang: could serve it, but cannot be installed: ');
  });

  it('takes one that somebody else installed', () => {
    const own: Installation = {
      version: '0.32.0',
      build: 'vllm',
      recipe: null,
      path: '/opt/vllm',
      devices: ['amd'],
    };
    const decision = decideDriven({ ...onMi300x, installations: new Map([['vllm', own]]) });
    expect(decision.engine.id).toBe('vllm');
  });
});

describe('engineInput', () => {
  it('gives an engine its own installation and no other', () => {
    const input = caseOf(HERE, 'demo-135m');
    const [first] = input.engines;
    if (first === undefined) throw new Error('no engine');
    const installation = { version: '1' } as Installation; // Only passed on.
    const installations = new Map([[first.id, installation]]);
    const inputs = input.engines.map((engine) => engineInput({ ...input, installations }, engine));
    expect(inputs.map((one) => one.installation)).toEqual(
      input.engines.map(({ id }) => (id === first.id ? installation : null)),
    );
  });
});

describe('where another engine would have to be installed', () => {
  const peft = {
    name: 'polite',
    path: '/adapters/polite',
    format: 'safetensors',
    rank: 8,
    hiddenSize: null,
    bytesOnDisk: 1,
    modifiedAtMs: 0,
  } as const;

  it('the one that comes without a question is offered, or what it lacks is said', () => {
    const input = inputOf({
      machine: 'recorded-epyc-2core',
      model: 'demo-135m-both',
      workload: { for: 'batch' },
    });
    const { engine, rejected } = decide(input);
    expect(engine.isEmbedded).toBeUndefined();
    expect(insteadOfInstall(rejected)).toEqual({
      instead: '`--engine llama-cpp` takes llama.cpp in its place',
    });
    const adapted = decide({ ...input, model: { ...input.model, adapter: peft } });
    expect(insteadOfInstall(adapted.rejected)).toEqual({
      instead:
        'llama.cpp will not do: loads adapters as GGUF, `/adapters/polite` is safetensors (a folder of PEFT)',
    });
    expect(insteadOfInstall(decide({ ...input, engineId: 'vllm' }).rejected)).toEqual({});
  });
});
