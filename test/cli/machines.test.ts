/** What `info` and `plan` say on machines nobody has here, from their recordings. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { cli, transcript } from './transcript.ts';

let home: TemporaryHome;
beforeAll(() => {
  home = temporaryHome();
});
afterAll(() => home[Symbol.dispose]());

const machine = (name: string): readonly string[] => [
  '--machine',
  fileURLToPath(new URL(`../fixtures/machines/${name}.json`, import.meta.url)),
];

const show = async (...args: readonly string[]): Promise<string> =>
  transcript(await cli(args, { home: home.path }), home.path);

describe('a recorded machine', () => {
  it.each(['info', 'plan'])('is an option in the help of %s', async (name) => {
    expect(await show(name, '--help')).toContain('--machine <file>');
  });
});

describe('info', () => {
  it.each([
    'recorded-epyc-2core',
    'synthetic-h200',
    'synthetic-rtx-4090',
    'synthetic-apple-m3-max-64gb',
    'synthetic-raspberry-pi-5-8gb',
    'synthetic-all-unknown',
  ])('of %s names the machine, its engines and what each workload would get', async (name) => {
    expect(await show('info', ...machine(name))).toMatchSnapshot();
  });
});

describe('plan', () => {
  it.each([
    ['smollm2:135m', 'recorded-epyc-2core', []],
    ['qwen3:8b', 'synthetic-h200', ['--for', 'agent', '--concurrency', '16']],
    ['llama3.1:8b', 'synthetic-rtx-4090', []],
    ['qwen3:8b', 'synthetic-apple-m3-max-64gb', []],
    ['qwen3:8b', 'recorded-epyc-2core', ['--for', 'chat', '--for', 'batch']],
  ] as const)('of %s on %s %s explains the decision', async (model, name, more) => {
    expect(await show('plan', model, ...more, ...machine(name))).toMatchSnapshot();
  });

  it('of a model larger than the memory shows the arithmetic, and exits with 3', async () => {
    const text = await show('plan', 'qwen3:32b', ...machine('synthetic-laptop-avx2-8gb'));
    expect(text).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve Qwen3-32B on this machine
        NVIDIA Dynamo: computes on NVIDIA GPUs, not on the CPU; spreads work over several machines, and this is one
        ExLlamaV2: computes on NVIDIA GPUs, not on the CPU
        ExLlamaV3: computes on NVIDIA GPUs, not on the CPU
        llama.cpp: gguf Q4_K_M needs 19.4 GiB (weights 18.5 GiB + KV cache 512 MiB for 2,048 tokens + 403 MiB of its own) but 5.5 GiB is free in main memory
        MAX: safetensors bf16 needs 126.0 GiB (weights 122.0 GiB + KV cache 1.0 GiB for 2,048 tokens + 3.0 GiB of its own) but 5.5 GiB is free in main memory
        MLX: mlx 4bit needs 18.2 GiB (weights 17.2 GiB + KV cache 512 MiB for 2,048 tokens + 512 MiB of its own) but 5.5 GiB is free in main memory
        SGLang: computes on NVIDIA GPUs, AMD GPUs, not on the CPU
        TensorRT-LLM: computes on NVIDIA GPUs, not on the CPU
        vLLM: safetensors bf16 needs 65.5 GiB (weights 61.0 GiB + KV cache 1.0 GiB for 2,048 tokens + 3.5 GiB of its own) but 5.5 GiB is free in main memory

      hint: a model of at most 8.2 B parameters in Q4_K_M would fit"
    `);
  });

  it('of a context larger than the memory names what fits', async () => {
    const args = ['plan', 'qwen3:8b', '--context', '10000000'];
    expect(await show(...args, ...machine('synthetic-laptop-avx2-8gb'))).toMatchInlineSnapshot(`
      "exit 3
      --- stderr
      error: no engine can serve Qwen3-8B on this machine
        NVIDIA Dynamo: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; computes on NVIDIA GPUs, not on the CPU; spreads work over several machines, and this is one
        ExLlamaV2: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; computes on NVIDIA GPUs, not on the CPU
        ExLlamaV3: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; computes on NVIDIA GPUs, not on the CPU
        llama.cpp: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; gguf Q4_K_M needs 1378.4 GiB (weights 4.7 GiB + KV cache 1373.3 GiB for 10,000,000 tokens + 401 MiB of its own) but 5.5 GiB is free in main memory
        MAX: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; safetensors bf16 needs 2780.1 GiB (weights 30.5 GiB + KV cache 2746.6 GiB for 10,000,000 tokens + 3.0 GiB of its own) but 5.5 GiB is free in main memory
        MLX: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; mlx 4bit needs 1378.1 GiB (weights 4.3 GiB + KV cache 1373.3 GiB for 10,000,000 tokens + 512 MiB of its own) but 5.5 GiB is free in main memory
        SGLang: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; computes on NVIDIA GPUs, AMD GPUs, not on the CPU
        TensorRT-LLM: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; computes on NVIDIA GPUs, not on the CPU
        vLLM: 10,000,000 tokens of context are asked for, Qwen3-8B was made for 40,960; safetensors bf16 needs 1392.8 GiB (weights 15.3 GiB + KV cache 1374.0 GiB for 10,000,000 tokens + 3.5 GiB of its own) but 5.5 GiB is free in main memory

      hint: use \`--context 40960\`"
    `);
  });

  it('of an engine that cannot run there says why', async () => {
    const args = ['plan', 'qwen3:8b', '--engine', 'mlx'];
    expect(await show(...args, ...machine('synthetic-h200'))).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      Chose MLX
       machine   CPU Intel(R) Xeon(R) Platinum 8480+, amx-bf16
       format    mlx 4bit not on this machine yet
       workload  one user, 512 prompt and 256 answer tokens, shared prefix 0.1, decode-bound (46 % prefill) → MLX was asked for
       memory    5.9 GiB = weights 4.3 GiB + KV cache 1.1 GiB (for 1 request of up to 8,192 tokens) + its own 512 MiB, by formula
       evidence  it was asked for, so that nothing was decided
       note      computes on the CPU and leaves NVIDIA H200 idle: computes on Apple Silicon, CPUs, not on NVIDIA H200 (use \`--device cpu\` to compute without the GPU)
       command   mlx_lm.server --model {qwen3:8b} --host {host} --port {port} --decode-concurrency 1 --prompt-concurrency 1 --max-tokens 8192 --prompt-cache-bytes 1207959552 --allowed-origins none
                 --model {qwen3:8b}                 the folder
                 --host {host}                      this machine only
                 --port {port}                      a port that was free just before
                 --decode-concurrency 1             1 at once
                 --prompt-concurrency 1             prompts computed together; more of them only take memory
                 --max-tokens 8192                  an answer may fill the context unless the request says less
                 --prompt-cache-bytes 1207959552    earlier prompts keep what the running ones leave of the KV cache
                 --allowed-origins none             it has no key: a page in a browser may not read its answers
       variables HF_HUB_OFFLINE=1 HF_HOME={cache}/huggingface"
    `);
  });

  it('of a GPU that is too old for every GPU engine stays on the CPU or says why', async () => {
    expect(await show('plan', 'qwen3:8b', ...machine('synthetic-kepler-gt-710'))).toMatchSnapshot();
  });
});
