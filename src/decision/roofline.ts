/**
 * Answers: does this work spend its time on prompts (arithmetic) or on answers (reading memory)?
 * A ratio only: the bandwidth cancels out, so no figure of this machine is needed.
 */
import type { DeviceKind } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';
import { bytesPerDecodeStep, weightsBytes } from '../models/memory.ts';
import type { Artifact, ModelInfo } from '../models/model.ts';
import type { Workload } from '../workloads/workload.ts';

export interface Roofline {
  /** Share of the time that goes into prompts, 0–1. */
  readonly prefillShare: number;
  readonly isPrefillBound: boolean;
}

/**
 * Floating-point operations a device does in the time in which it reads one byte, rounded: spec
 * sheets (RTX 4090 165 TFLOP/s at 1.0 TB/s, H100 989 at 3.35, M2 3.6 at 0.1, RX 7900 XTX 123 at
 * 0.96) and, for CPUs, 320 prompt tokens/s against 133 answer tokens/s of one model of 135 M.
 */
const OPERATIONS_PER_BYTE = {
  cpu: 8,
  nvidia: 200,
  amd: 130,
  intel: 100,
  apple: 40,
} satisfies Record<DeviceKind, number>;

/** CPUs with a matrix unit or bfloat16 arithmetic. */
const OPERATIONS_PER_BYTE_CPU_MATRIX = 100;

export function hasMatrixUnit(machine: Machine): boolean {
  return machine.cpu.isa.includes('amx-bf16') || machine.cpu.isa.includes('avx512bf16');
}

export interface RooflineCase {
  readonly machine: Machine;
  readonly model: ModelInfo;
  readonly workload: Workload;
  readonly artifact: Artifact;
  readonly device: DeviceKind;
}

/** `null` when the size of the model is unknown, or nothing is to be computed at all. */
export function roofline(c: RooflineCase): Roofline | null {
  const { model, workload, artifact } = c;
  const active = model.parametersActive ?? model.parametersTotal;
  const stepBytes = decodeStepBytes(c) ?? weightsBytes(artifact);
  if (active === null || stepBytes === null) return null;
  // Quantized GGUF kernels do without the matrix unit.
  const isMatrixCpu =
    c.device === 'cpu' && c.artifact.format === 'safetensors' && hasMatrixUnit(c.machine);
  const balance = isMatrixCpu ? OPERATIONS_PER_BYTE_CPU_MATRIX : OPERATIONS_PER_BYTE[c.device];
  const users = workload.concurrency;
  const freshTokens = workload.promptTokens * (1 - workload.sharedPrefixShare) * users;
  // Both in bytes' worth of time. A step of many users may be bound by arithmetic as well.
  const prefill = (2 * active * freshTokens) / balance;
  const decode = workload.outputTokens * Math.max(stepBytes, (2 * active * users) / balance);
  if (prefill + decode === 0) return null;
  const prefillShare = prefill / (prefill + decode);
  return { prefillShare, isPrefillBound: prefillShare > 0.5 };
}

function decodeStepBytes({ model, workload, artifact }: RooflineCase): number | null {
  return bytesPerDecodeStep(model, artifact, {
    batch: workload.concurrency,
    contextTokens: workload.promptTokens + Math.round(workload.outputTokens / 2),
    bytesPerElement: 2,
  });
}
