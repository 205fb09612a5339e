/**
 * Answers: which artifacts a variant means: `Q4_K_M`, `bf16`, `awq`, `mlx-4bit`, `exl3-4.0bpw`.
 */
import { basename } from 'node:path';

import { WEIGHT_FORMATS, type Artifact } from './model.ts';

/** Those of `artifacts` that are `variant`; all of them without one. */
export function selectVariant(
  artifacts: readonly Artifact[],
  variant: string | null,
): readonly Artifact[] {
  if (variant === null) return artifacts;
  const named = artifacts.filter((artifact) => isNamed(artifact, variant));
  return named.length > 0 ? named : artifacts.filter((artifact) => isKind(artifact, variant));
}

/** The variant under which this artifact would be asked for. */
export function variantName({ format, quantization }: Artifact): string {
  if (quantization === null) return format;
  if (format === 'mlx' || format === 'exl2' || format === 'exl3')
    return `${format}-${quantization}`;
  return format === 'gguf' || format === 'safetensors' ? quantization : format;
}

/**
 * By the file's name: publishers call mixes by names that no header field has (`UD-Q4_K_XL`), and
 * of two files with the same field the one that is named so is meant.
 */
function isNamed({ format, path }: Artifact, variant: string): boolean {
  if (format !== 'gguf' || path === null) return false;
  const name = `-${basename(path).toLowerCase()}`.replace(/-\d{5}-of-\d{5}\.gguf$|\.gguf$/, '');
  const wanted = variant.toLowerCase();
  const isTail = name.endsWith(wanted) && /[-._]/.test(name.at(-wanted.length - 1) ?? '');
  return isTail && (wanted.startsWith('ud-') || !name.endsWith(`ud-${wanted}`));
}

function isKind({ format, quantization }: Artifact, variant: string): boolean {
  const wanted = plainWord(variant);
  const has = quantization === null ? '' : plainWord(quantization);
  if (WEIGHT_FORMATS.some((name) => name === wanted)) return format === wanted || has === wanted;
  const [, family, width] = /^(mlx|exl2|exl3)-(.+)$/.exec(wanted) ?? [];
  if (family === undefined || width === undefined) return has === wanted;
  return format === family && Number.parseFloat(has) === Number.parseFloat(width);
}

function plainWord(text: string): string {
  const word = text.toLowerCase().replace(/^ud-/, '');
  return { f16: 'fp16', f32: 'fp32', mxfp4_moe: 'mxfp4' }[word] ?? word;
}
