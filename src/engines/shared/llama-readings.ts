/** Answers: what llama.cpp's server says in its log and on its metrics page, both builds alike. */
import type { EngineMetrics } from '../engine.ts';
import type { LogRule } from './log-rules.ts';
import { pickMetrics, ratioOf, readSamples } from './metrics.ts';

export const LLAMA_LOG: readonly LogRule[] = [
  { pattern: /(failed to open GGUF file .*No such file.*)/, code: 'HL_MODEL_NOT_FOUND' },
  { pattern: /(failed to open GGUF file .*)/, code: 'HL_MODEL_CORRUPT' },
  { pattern: /(invalid magic characters: .*)/, code: 'HL_MODEL_CORRUPT' },
  { pattern: /(tensor '.*' data is not within the file bounds.*)/, code: 'HL_MODEL_CORRUPT' },
  { pattern: /(unknown model architecture: .*)/, code: 'HL_MODEL_FORMAT_UNSUPPORTED' },
  { pattern: /(couldn't bind HTTP server socket.*)/, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /error: (invalid argument: .*)/, code: 'HL_OPTION_INVALID' },
  {
    pattern:
      /(cudaMalloc failed: out of memory|ErrorOutOfDeviceMemory|failed to allocate .*buffer.*|unable to allocate .*buffer.*|insufficient memory.*)/,
    code: 'HL_ENGINE_OUT_OF_MEMORY',
  },
  { pattern: /(GGML_ASSERT\(.*\) failed)/, code: 'HL_ENGINE_EXITED' },
  // The general line that follows each of the causes above.
  { pattern: /error loading model: llama_model_loader: failed to load/, isNoise: true },
  { pattern: /error loading model: (.*)/, code: 'HL_MODEL_CORRUPT' },
  { pattern: /load_model: loading model '/, progress: 'reading weights' },
  { pattern: /llama threadpool init, n_threads = /, progress: 'warming up' },
  { pattern: /load_model: initializing, n_slots = /, progress: 'making slots' },
  { pattern: /(?:init|llama_server): listening on /, isReady: true },
];

export function readLlamaMetrics(text: string): EngineMetrics {
  const samples = readSamples(text);
  const fresh = samples.get('llamacpp:prompt_tokens_total');
  const cached = samples.get('llamacpp:prompt_tokens_cached_total') ?? 0;
  const prompt = fresh === undefined ? null : fresh + cached;
  return {
    ...pickMetrics(text, {
      requestsRunning: ['llamacpp:requests_processing'],
      requestsWaiting: ['llamacpp:requests_deferred'],
      kvCacheUse: ['llamacpp:kv_cache_usage_ratio'],
      outputTokensTotal: ['llamacpp:tokens_predicted_total'],
    }),
    promptTokensTotal: prompt,
    prefixCacheHitRatio: ratioOf(cached, prompt ?? undefined),
  };
}
