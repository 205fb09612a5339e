/**
 * Answers: how many weights each stored tensor stands for. Quantized checkpoints pack several into
 * one integer and keep scales beside them, which are bytes but no parameters.
 */
import type { WeightPacking } from './config-format.ts';
import type { SafetensorsTensor } from './safetensors.ts';
import type { WeightTensor } from './weights.ts';

/** Side tables of packed weights, by the last part of their name. */
const SIDE_TABLE =
  /(?:\.(?:qzeros|g_idx|scales|biases|weight_scale(?:_inv|_2)?|input_scale|k_scale|v_scale|weight_shape|weight_zero_point|weight_global_scale|input_global_scale|weight_g_idx|suh|svh|su|sv|mcg|mul1|q_scale|q_scale_max|q_groups|q_group_map|q_perm|q_invperm)|\.weight\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.[\w.]+)|_scales)$/;

export function weightTensors(
  tensors: readonly SafetensorsTensor[],
  packing: WeightPacking,
): readonly WeightTensor[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return tensors.map((tensor) => ({
    name: tensor.name,
    bytes: tensor.bytes,
    parameters: Math.round(parametersOf(tensor, byName, packing)),
  }));
}

function parametersOf(
  tensor: SafetensorsTensor,
  byName: ReadonlyMap<string, SafetensorsTensor>,
  packing: WeightPacking,
): number {
  const { name, dtype, elements, shape } = tensor;
  const stem = name.replace(/\.[^.]*$/, '');
  const has = (part: string): boolean => byName.has(`${stem}.${part}`);
  // A bias of MLX's scales is a side table, a bias of a layer is not: only the former has scales.
  if (
    SIDE_TABLE.test(name) &&
    (!/\.(?:scales|biases)$/.test(name) || has('weight') || has('qweight'))
  ) {
    return 0;
  }
  const bits = packing.bits ?? 4;
  if (/\.(?:qweight|weight_packed)$/.test(name)) {
    return dtype === 'U8' ? elements * 2 : (elements * 32) / bits;
  }
  if (name.endsWith('.trellis')) return (shape[0] ?? 0) * (shape[1] ?? 0) * 256;
  if (name.endsWith('.q_weight')) {
    return (byName.get(`${stem}.q_invperm`)?.elements ?? 0) * (shape[1] ?? 0);
  }
  if (name.endsWith('_blocks') && dtype === 'U8') return elements * 2;
  if (dtype === 'U32' && name.endsWith('.weight')) {
    const scales = byName.get(`${stem}.scales`);
    return scales === undefined
      ? (elements * 32) / bits
      : scales.elements * (packing.groupSize ?? 64);
  }
  if (dtype === 'U8' && name.endsWith('.weight')) return elements * 2;
  if (dtype === 'F4') return elements;
  return /^(?:BF?|F)\d|^C64$/.test(dtype) || dtype === 'I8' ? elements : 0;
}

/** The type most bytes are in, in the words all formats share; `null` for integers. */
export function dominantType(tensors: readonly SafetensorsTensor[]): string | null {
  const bytes = new Map<string, number>();
  for (const tensor of tensors) {
    bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + tensor.bytes);
  }
  const [largest] = [...bytes].sort((a, b) => b[1] - a[1]);
  const words = new Map([
    ['BF16', 'bf16'],
    ['F16', 'fp16'],
    ['F32', 'fp32'],
    ['F8_E4M3', 'fp8'],
    ['F8_E5M2', 'fp8'],
  ]);
  return words.get(largest?.[0] ?? '') ?? null;
}
