/**
 * Answers: what llama.cpp needs beside the weights: a KV cache reserved for all slots, and a compute
 * buffer that grows with the tokens computed in one go.
 */
import { MIB } from '../../base/units.ts';
import type { EngineInput } from '../engine.ts';
import { withDraft } from './companions.ts';
import type { Target } from './devices.ts';
import type { FitRules } from './fit.ts';

/** Prompt tokens computed in one go; the compute buffer grows with it. llama.cpp's default. */
const UBATCH_TOKENS = 512;

/** Requests at once beyond which one more slows all others down for no gain in total. */
const SLOTS_MAX_CPU = 16;
const SLOTS_MAX_GPU = 64;

export function llamaFit(target: Target): FitRules {
  const isGpu = target.device !== 'cpu';
  return {
    kvBytesPerElement: () => 2,
    kvCache: 'reserved',
    overheadBytes: (input, _, contextTokens) =>
      withDraft(input.model).reduce(
        (sum, model) => sum + computeBytes({ ...input, model }, contextTokens),
        isGpu ? 400 * MIB : 96 * MIB,
      ),
    memoryShare: 1,
    slotsMax: isGpu ? SLOTS_MAX_GPU : SLOTS_MAX_CPU,
    split: 'layers',
    canOffload: isGpu && target.device !== 'apple',
  };
}

/** What is encoded is encoded in one piece. */
export function ubatchTokens({ workload }: EngineInput, contextTokens: number): number {
  const isEncoding = workload.needs.includes('embeddings') || workload.needs.includes('rerank');
  return isEncoding ? contextTokens : UBATCH_TOKENS;
}

/** Of encoders, which have no output head: `bert`, `nomic-bert`, `xlm-roberta`. */
const ENCODER = /bert/;

/**
 * The compute buffer: logits of a whole micro-batch in float32, and some activations beside them.
 * llama.cpp reports about 260 MiB for a vocabulary of 128,256 and a hidden size of 4,096; with
 * `--embedding` and 49,152 and 576, 105 MiB for 512 tokens and 419 MiB for 2,048.
 */
function computeBytes(input: EngineInput, contextTokens: number): number {
  const { model } = input;
  const hasHead = !ENCODER.test(model.architecture ?? '');
  const vocabulary = hasHead ? (model.vocabularySize ?? 128_000) : 0;
  const hidden = model.hiddenSize ?? 4096;
  return ubatchTokens(input, contextTokens) * 4 * (vocabulary + hidden);
}
