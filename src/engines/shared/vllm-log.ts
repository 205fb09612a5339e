/** Answers: what a line of vLLM's log says; recorded with 0.32.0 on a CPU, but for the GPU's. */
import type { LogRule } from './log-rules.ts';

export const VLLM_LOG: readonly LogRule[] = [
  { pattern: /(ambiguous option: .*|unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  { pattern: /Errno 98\] (Address already in use)/, code: 'HL_ENGINE_PORT_BUSY' },
  {
    pattern: /(User-specified max_model_len .* is greater than the derived max_model_len)/,
    code: 'HL_CONTEXT_EXCEEDED',
  },
  { pattern: /ValueError: (To serve at least one request.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /(CUDA out of memory.*|HIP out of memory.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /HFValidationError: (.*)/, code: 'HL_MODEL_NOT_FOUND' },
  {
    pattern: /(Model architectures .* are not supported.*|does not recognize this architecture)/,
    code: 'HL_MODEL_FORMAT_UNSUPPORTED',
  },
  { pattern: /Application startup complete\./, isReady: true },
  { pattern: /checkpoint shards: +(\d+)%/, progress: 'reading weights', hasFraction: true },
  { pattern: /Starting to load model /, progress: 'reading weights' },
  { pattern: /Warming up model for the compilation/, progress: 'compiling' },
  { pattern: /Warming up done\./, progress: 'compiled' },
  { pattern: /KV cache size: [\d,]+ tokens/, progress: 'KV cache made' },
  { pattern: /Capturing CUDA graphs.*?(\d+)%/, progress: 'capturing graphs', hasFraction: true },
  { pattern: /Resolved architecture: /, progress: 'configuring' },
  { pattern: /Starting vLLM server on /, progress: 'opening the server' },
];
