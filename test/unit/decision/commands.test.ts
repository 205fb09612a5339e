/** The exact command line of each GPU engine on a machine where it is chosen, or asked for. */
import { describe, expect, it } from 'vitest';
import { decide, engineInput } from '../../../src/decision/decide.ts';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import { commandLine } from '../../../src/engines/shared/command-line.ts';
import { goldenRows, inputOf, type GoldenCase } from './golden.ts';

interface Commanded {
  readonly engine: string;
  readonly row: string;
  readonly command: string;
  readonly variables: Readonly<Record<string, string>>;
}

function commanded(golden: GoldenCase): Commanded {
  const input = inputOf(golden);
  const { engine, verdict, row } = decide(input);
  const plan = engine.plan(engineInput(input, engine), verdict);
  const { environment } = plan;
  return { engine: engine.id, row, command: commandLine(engine, plan), variables: environment };
}

describe('the command line', () => {
  it('of every row of the golden table is whole: a program, words, no value left out', () => {
    const wrong = goldenRows()
      .filter(({ engine }) => engine !== null)
      .map((row) => commanded(row))
      .filter(({ command, variables }) =>
        /undefined|null|NaN|\[object/.test(command + JSON.stringify(variables)),
      );
    expect(wrong).toEqual([]);
    const placed = new Set(goldenRows().map(({ engine }) => engine));
    expect(ENGINES.filter(({ id }) => !placed.has(id))).toEqual([]);
  });

  it('of SGLang, chosen for many experts on eight cards', () => {
    const golden: GoldenCase = {
      machine: 'synthetic-8x-b200',
      model: 'mla-671b',
      workload: { for: 'agent', concurrency: 64 },
    };
    expect(commanded(golden)).toMatchInlineSnapshot(`
      {
        "command": "python -m sglang.launch_server --model-path /models/mla-671b-fp8 --served-model-name {served-name} --host {host} --port {port} --context-length 8192 --max-running-requests 64 --mem-fraction-static 0.88 --max-total-tokens 102400 --tp-size 8 --ep-size 8 --attn-dp-size 8 --reasoning-parser auto --tool-call-parser auto --sampling-defaults openai --enable-metrics --enable-cache-report",
        "engine": "sglang",
        "row": "8a",
        "variables": {
          "CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7",
          "HF_HUB_OFFLINE": "1",
          "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION": "0",
          "TORCHINDUCTOR_CACHE_DIR": "{cache}/inductor",
          "TRITON_CACHE_DIR": "{cache}/triton",
        },
      }
    `);
  });

  it('of vLLM, chosen for a batch: four copies on eight cards', () => {
    const golden: GoldenCase = {
      machine: 'synthetic-8x-h100',
      model: 'dense-8b-bf16',
      workload: { for: 'batch', concurrency: 64 },
    };
    expect(commanded(golden)).toMatchInlineSnapshot(`
      {
        "command": "vllm serve /models/dense-8b-bf16-bf16 --served-model-name {served-name} --uds {socket} --max-model-len 8192 --max-num-seqs 16 --data-parallel-size 4 --kv-cache-memory-bytes 2743074816 --generation-config vllm --enable-prompt-tokens-details",
        "engine": "vllm",
        "row": "8c",
        "variables": {
          "CUDA_VISIBLE_DEVICES": "0,1,2,3",
          "DO_NOT_TRACK": "1",
          "HF_HUB_OFFLINE": "1",
          "TORCHINDUCTOR_CACHE_DIR": "{cache}/inductor",
          "VLLM_CACHE_ROOT": "{cache}/vllm",
          "VLLM_NO_USAGE_STATS": "1",
        },
      }
    `);
  });

  it('of TensorRT-LLM, which is a candidate and so is asked for', () => {
    const golden: GoldenCase = {
      machine: 'synthetic-8x-h100',
      model: 'dense-70b-bf16',
      workload: { for: 'batch', stability: 'frozen' },
      asked: 'tensorrt-llm',
    };
    expect(commanded(golden)).toMatchInlineSnapshot(`
      {
        "command": "trtllm-serve /models/dense-70b-bf16-bf16 --host {host} --port {port} --backend pytorch --max_seq_len 8192 --max_batch_size 32 --tp_size 4 --kv_cache_free_gpu_memory_fraction 0.9",
        "engine": "tensorrt-llm",
        "row": "asked",
        "variables": {
          "CUDA_VISIBLE_DEVICES": "0,1,2,3",
          "HF_HUB_OFFLINE": "1",
        },
      }
    `);
  });

  it('of ExLlamaV3, chosen for EXL3 weights on two consumer cards', () => {
    const golden: GoldenCase = {
      machine: 'synthetic-2x-rtx-3090',
      model: 'dense-70b-all',
      workload: { for: 'chat' },
    };
    expect(commanded(golden)).toMatchInlineSnapshot(`
      {
        "command": "python main.py --host {host} --port {port} --model-dir /models --model-name dense-70b-all-4.0bpw --max-seq-len 8192 --cache-size 8192 --max-batch-size 1 --tensor-parallel true --tensor-parallel-backend nccl --disable-auth true --disable-fetch-requests true",
        "engine": "exllamav3",
        "row": "6a",
        "variables": {
          "CUDA_VISIBLE_DEVICES": "0,1",
        },
      }
    `);
  });

  it('of ExLlamaV2, chosen for EXL2 weights', () => {
    const golden: GoldenCase = {
      machine: 'synthetic-rtx-4090',
      model: 'dense-8b-exl2',
      workload: { for: 'chat' },
    };
    expect(commanded(golden)).toMatchInlineSnapshot(`
      {
        "command": "python main.py --host {host} --port {port} --model-dir /models --model-name dense-8b-exl2-4.0bpw --max-seq-len 8192 --cache-size 8192 --max-batch-size 1 --disable-auth true --disable-fetch-requests true",
        "engine": "exllamav2",
        "row": "5a",
        "variables": {
          "CUDA_VISIBLE_DEVICES": "0",
        },
      }
    `);
  });
});
