/**
 * Answers: in which weight format a safetensors folder is, and how its weights are packed, from
 * `quantization_config` (or `quantization`, as MLX writes it).
 */
import { isJsonObject, type JsonObject } from './json.ts';
import type { WeightFormat } from './model.ts';

export interface WeightPacking {
  readonly format: WeightFormat;
  /** `null` = not quantized: the tensors' own type says it. */
  readonly quantization: string | null;
  /** Of one packed weight, where the method names it. */
  readonly bits: number | null;
  /** Weights that share one scale; MLX. */
  readonly groupSize: number | null;
}

const PLAIN: WeightPacking = {
  format: 'safetensors',
  quantization: null,
  bits: null,
  groupSize: null,
};

export function packingOf(config: JsonObject): WeightPacking {
  const text = [config['text_config'], config['llm_config']].find(isJsonObject);
  const found = [
    config['quantization_config'],
    config['compression_config'],
    text?.['quantization_config'],
    config['quantization'],
  ].find(isJsonObject);
  if (found === undefined) return PLAIN;
  const method =
    typeof found['quant_method'] === 'string' ? found['quant_method'].toLowerCase() : '';
  const algorithm =
    typeof found['quant_algo'] === 'string' ? found['quant_algo'].toLowerCase() : method;
  const bits = typeof found['bits'] === 'number' ? found['bits'] : null;
  const groupSize = typeof found['group_size'] === 'number' ? found['group_size'] : null;
  const packing = (format: WeightFormat, quantization: string | null): WeightPacking => {
    return { format, quantization, bits, groupSize };
  };
  switch (method) {
    case '':
      // MLX names no method, only bits and group size.
      return bits === null ? PLAIN : packing('mlx', `${bits}bit`);
    case 'awq':
    case 'gptq':
      return { ...packing(method, `int${bits ?? 4}`), bits: bits ?? 4 };
    case 'exl2':
    case 'exl3':
      return packing(method, bits === null ? null : `${decimal(bits)}bpw`);
    case 'fp8':
    case 'fbgemm_fp8':
      return packing('fp8', 'fp8');
    case 'bitsandbytes':
      return { ...PLAIN, quantization: found['load_in_8bit'] === true ? 'int8' : 'int4' };
    case 'compressed-tensors':
      return compressed(found);
    case 'modelopt':
      return algorithm === 'fp8' ? packing('fp8', 'fp8') : { ...PLAIN, quantization: algorithm };
    default:
      return { ...PLAIN, quantization: method };
  }
}

/** One checkpoint may mix groups; the first one that quantizes weights names it. */
function compressed(found: JsonObject): WeightPacking {
  const groups = isJsonObject(found['config_groups']) ? Object.values(found['config_groups']) : [];
  const weights = groups
    .filter(isJsonObject)
    .map((group) => group['weights'])
    .find(isJsonObject);
  const bits = typeof weights?.['num_bits'] === 'number' ? weights['num_bits'] : null;
  const isFloat = weights?.['type'] === 'float';
  if (isFloat && bits === 8) return { ...PLAIN, format: 'fp8', quantization: 'fp8', bits };
  const word = bits === null ? 'compressed' : isFloat ? `nvfp${bits}` : `int${bits}`;
  return { ...PLAIN, quantization: word, bits };
}

/** `4.0`, `4.25`: publishers write one decimal at least. */
function decimal(bits: number): string {
  return Number.isInteger(bits) ? bits.toFixed(1) : String(bits);
}
