import { describe, expect, it } from 'vitest';
import { decide, engineInput } from '../../../src/decision/decide.ts';
import { explainDecision } from '../../../src/decision/explain.ts';
import { roofline } from '../../../src/decision/roofline.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';
import { inputOf, type GoldenCase } from './golden.ts';

function textOf(golden: GoldenCase): string {
  const input = inputOf(golden);
  const decision = decide(input);
  const plan = decision.engine.plan(engineInput(input, decision.engine), decision.verdict);
  return explainDecision({ decision, plan, workload: input.workload });
}

describe('explainDecision', () => {
  it('says what was chosen, why, with which memory and command, and why not the others', () => {
    const text = textOf({
      machine: 'recorded-epyc-2core',
      model: 'demo-135m-both',
      workload: { for: 'chat' },
    });
    expect(text).toMatchInlineSnapshot(`
      "Chose llama.cpp over vLLM, MAX
       machine   CPU AMD EPYC, avx512bf16                                 → NVIDIA Dynamo, ExLlamaV2, ExLlamaV3, MLX, SGLang, TensorRT-LLM out
       format    gguf Q4_1 on this machine
       workload  one user, 512 prompt and 256 answer tokens, shared prefix 0.1, decode-bound (35 % prefill) → CPU only, GGUF, one user
       memory    621 MiB = weights 93 MiB + KV cache 180 MiB (for 1 request of up to 8,192 tokens) + its own 348 MiB, by formula
       evidence  this version decides by the tree alone, row 4a
       command   llama-server --model /models/demo-135m-both-Q4_1.gguf --alias {served-name} --host {socket} --ctx-size 8192 --parallel 1 --threads 2 --threads-batch 2 --fit off --cache-ram 3013 --metrics --no-ui --offline
                 --model /models/demo-135m-both-Q4_1.gguf  the file
                 --alias {served-name}              the name in requests and replies
                 --host {socket}                    a unix socket that only this user can reach
                 --ctx-size 8192                    8192 tokens for each of 1 slot
                 --parallel 1                       1 request at once
                 --threads 2                        physical cores this process may use (2 here, 2 allowed); a second thread a core slows decoding down
                 --threads-batch 2                  the same for prompts
                 --fit off                          nothing left to find out by loading the model twice
                 --cache-ram 3013                   main memory for prompts seen before, an eighth of it at most
                 --metrics                          counters for \`ps\` and measurements
                 --no-ui                            nobody looks at it
                 --offline                          it may not fetch anything by itself
       variables GLIBC_TUNABLES=glibc.malloc.hugetlb=1
      Not possible here:
       NVIDIA Dynamo  computes on NVIDIA GPUs, not on the CPU; spreads work over several machines, and this is one
       ExLlamaV2      computes on NVIDIA GPUs, not on the CPU
       ExLlamaV3      computes on NVIDIA GPUs, not on the CPU
       MLX            runs on this CPU, but tens of times slower than an engine made for it (insist by naming it with \`--engine\`)
       SGLang         computes on NVIDIA GPUs, AMD GPUs, not on the CPU
       TensorRT-LLM   computes on NVIDIA GPUs, not on the CPU
      Override: --engine vllm or --engine max
      Measure:  hyperllama bench test:demo-135m-both -i 5 --engine llama-cpp and hyperllama bench test:demo-135m-both -i 5 --engine vllm and hyperllama bench test:demo-135m-both -i 5 --engine max
      "
    `);
  });

  it('says when the choice cannot be started yet, and which variables it needs', () => {
    const text = textOf({
      machine: 'synthetic-rtx-4090',
      model: 'dense-8b-all',
      workload: { for: 'chat' },
    });
    expect(text).toContain('Chose ExLlamaV3 (this version cannot start it yet) over ');
    expect(text).toContain(' variables CUDA_VISIBLE_DEVICES=0');
    expect(text).toContain('--cache-size 8192');
  });

  it('repeats what was adapted, with the way to insist', () => {
    const text = textOf({
      machine: 'synthetic-rtx-3060-12gb',
      model: 'dense-32b-gguf',
      workload: { for: 'chat' },
    });
    expect(text).toContain('stays in main memory');
  });
});

describe('roofline', () => {
  const { machine, model } = inputOf({
    machine: 'recorded-epyc-2core',
    model: 'dense-8b-gguf',
    workload: { for: 'chat' },
  });
  const [artifact] = model.artifacts;
  if (artifact === undefined) throw new Error('the model has no artifact');
  const share = (overrides: Parameters<typeof makeWorkload>[1]): number | undefined =>
    roofline({ machine, model, artifact, device: 'cpu', workload: makeWorkload('chat', overrides) })
      ?.prefillShare;

  it('is all prefill without an answer, and all decode with the whole prompt shared', () => {
    expect(share({ outputTokens: 0 })).toBe(1);
    expect(share({ sharedPrefixShare: 1 })).toBe(0);
  });

  it('turns towards prefill with more users, who share the reading of the weights', () => {
    expect(share({ concurrency: 8 })).toBeGreaterThan(share({ concurrency: 1 }) ?? 1);
  });

  it('knows nothing of a model of unknown size', () => {
    const unknown = { ...model, parametersTotal: null, parametersActive: null };
    const workload = makeWorkload('chat');
    expect(roofline({ machine, model: unknown, artifact, device: 'cpu', workload })).toBeNull();
  });
});
