/**
 * Answers: what the engines built on PyTorch have in common: folders of safetensors, tensor
 * parallelism over equal cards, and a model that is named by its folder.
 */
import type { Artifact } from '../../models/model.ts';
import type { EngineInput, Reason, VerdictOk } from '../engine.ts';
import type { Split } from './cards.ts';
import type { FitRules } from './fit.ts';

export interface TorchFit {
  /** Kernels, graphs and activations on each card. */
  readonly overheadBytesGpu: number;
  /** Processes and libraries on the CPU; 0 where the engine has no CPU build. */
  readonly overheadBytesCpu: number;
  /** Part of a card's memory the engine takes by default. */
  readonly memoryShare: number;
  readonly slotsMax: number;
  /** Absent: it shares layers by heads only. */
  readonly split?: Split;
}

export function torchFit(rules: TorchFit, isGpu: boolean): FitRules {
  return {
    kvBytesPerElement: () => 2,
    kvCache: 'paged',
    overheadBytes: () => (isGpu ? rules.overheadBytesGpu : rules.overheadBytesCpu),
    memoryShare: isGpu ? rules.memoryShare : 1,
    slotsMax: rules.slotsMax,
    split: rules.split ?? 'heads',
    canOffload: false,
  };
}

/** Cards used together; 1 on the CPU. */
export function tensorDegree(verdict: VerdictOk): number {
  return Math.max(1, verdict.accelerators.length);
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
