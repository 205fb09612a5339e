/**
 * Answers: how both generations of ExLlama are served, by TabbyAPI. From its documentation; it was
 * not run here, because it needs an NVIDIA card.
 */
import { GIB } from '../../base/units.ts';
import type { EngineInput, PlanArgument, VerdictOk } from '../engine.ts';
import { flag } from './args.ts';
import type { FitRules } from './fit.ts';
import type { LogRule } from './log-rules.ts';
import { modelPath } from './identity.ts';

export const TABBY_FIT: FitRules = {
  kvBytesPerElement: 2,
  kvCache: 'paged',
  overheadBytes: () => 1.5 * GIB,
  memoryShare: 0.95,
  slotsMax: 16,
  split: 'layers',
  canOffload: false,
};

export function tabbyArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const path = modelPath(input.model, verdict.artifact);
  const cut = path.lastIndexOf('/');
  const { contextTokens, slots } = verdict;
  return [
    flag('--host', '{host}', { because: 'this machine only' }),
    flag('--port', '{port}', { because: 'a port that was free just before' }),
    flag('--model-dir', cut > 0 ? path.slice(0, cut) : '.', {
      because: 'the folder above the model',
      origin: 'model',
    }),
    flag('--model-name', path.slice(cut + 1), { because: 'the folder', origin: 'model' }),
    flag('--max-seq-len', contextTokens, {
      because: 'tokens of context a request may use',
      origin: input.workload.contextTokens === null ? 'workload' : 'user',
    }),
    flag('--cache-size', cacheTokens(input, verdict), {
      because: 'tokens of all requests together, in pages of 256',
      origin: 'workload',
    }),
    flag('--max-batch-size', slots, {
      because: `${input.workload.concurrency} at once; more wait in its queue`,
      origin: 'workload',
    }),
    flag('--disable-auth', 'true', { because: 'only this machine reaches it' }),
  ];
}

function cacheTokens({ workload }: EngineInput, { contextTokens, slots }: VerdictOk): number {
  const requests = slots * (workload.promptTokens + workload.outputTokens);
  return Math.ceil(Math.max(contextTokens, requests) / 256) * 256;
}

export const TABBY_LOG: readonly LogRule[] = [
  { pattern: /(CUDA out of memory.*)/, code: 'HL_ENGINE_OUT_OF_MEMORY' },
  { pattern: /error: (unrecognized arguments: .*)/, code: 'HL_OPTION_INVALID' },
  // It takes the next port instead, so that we would talk to a stranger on ours.
  { pattern: /Port \d+ is currently in use/, code: 'HL_ENGINE_PORT_BUSY' },
  { pattern: /Application startup complete\./, isReady: true },
  { pattern: /Loading model modules.*?(\d+)%/, progress: 'reading weights', hasFraction: true },
];
