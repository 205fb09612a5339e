/** Every engine there is. Made by `npm run gen` from the files of this folder. */
import type { Engine } from './engine.ts';
import dynamo from './dynamo.ts';
import exllamav2 from './exllamav2.ts';
import exllamav3 from './exllamav3.ts';
import llamaCpp from './llama-cpp.ts';
import max from './max.ts';
import mlx from './mlx.ts';
import sglang from './sglang.ts';
import tensorrtLlm from './tensorrt-llm.ts';
import vllm from './vllm.ts';

export const ENGINES: readonly Engine[] = [
  dynamo,
  exllamav2,
  exllamav3,
  llamaCpp,
  max,
  mlx,
  sglang,
  tensorrtLlm,
  vllm,
];
