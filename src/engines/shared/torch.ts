/**
 * Answers: what the engines built on PyTorch have in common: folders of safetensors, tensor
 * parallelism over equal cards, and a model that is named by its folder.
 */
import type { Artifact, ModelInfo } from '../../models/model.ts';
import type { EngineInput, Reason, VerdictOk } from '../engine.ts';
import { GIB } from '../../base/units.ts';
import type { FitRules } from './fit.ts';

export interface TorchFit {
  /** Kernels, graphs and activations on each card. */
  readonly overheadBytesGpu: number;
  /** Processes and libraries on the CPU; 0 where the engine has no CPU build. */
  readonly overheadBytesCpu: number;
  /** Part of a card's memory the engine takes by default. */
  readonly memoryShare: number;
  readonly slotsMax: number;
}

export function torchFit(rules: TorchFit, isGpu: boolean): FitRules {
  return {
    kvBytesPerElement: 2,
    kvCache: 'paged',
    overheadBytes: () => (isGpu ? rules.overheadBytesGpu : rules.overheadBytesCpu),
    memoryShare: isGpu ? rules.memoryShare : 1,
    slotsMax: rules.slotsMax,
    split: 'heads',
    canOffload: false,
  };
}

/** Cards used together; 1 on the CPU. */
export function tensorDegree(verdict: VerdictOk): number {
  return Math.max(1, verdict.accelerators.length);
}

/** Whole GiB for the KV cache, at least one: some engines take no finer measure. */
export function kvCacheGib(verdict: VerdictOk): number {
  return Math.max(1, Math.ceil(verdict.memory.kvCacheBytes / GIB));
}

/** Safetensors in a number format the engine's kernels do not have on this device. */
export function refuseNumberFormat(artifact: Artifact, allowed: readonly string[]): Reason | null {
  const { quantization } = artifact;
  if (artifact.format !== 'safetensors' || quantization === null) return null;
  if (allowed.includes(quantization.toLowerCase())) return null;
  return {
    code: 'format-unsupported',
    because: `loads safetensors in ${allowed.join(', ')} here, not in ${quantization}`,
    hint: null,
  };
}

/** A family this version does not know the engine to have. */
export function checkArchitecture(
  { model }: EngineInput,
  known: readonly string[],
): readonly Reason[] {
  const { architecture } = model;
  if (architecture === null || known.includes(architecture)) return [];
  return [
    {
      code: 'architecture-unknown',
      because: `is not known to support the architecture \`${architecture}\` (known: ${known.join(', ')})`,
      hint: null,
    },
  ];
}

/** The value for a model family's row of a table, by the start of its architecture. */
export function byFamily<T>(model: ModelInfo, table: Readonly<Record<string, T>>): T | null {
  const { architecture } = model;
  if (architecture === null) return null;
  const exact = table[architecture];
  if (exact !== undefined) return exact;
  const family = Object.keys(table).find((name) => architecture.startsWith(name));
  return family === undefined ? null : (table[family] ?? null);
}
