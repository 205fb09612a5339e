/**
 * Answers: which of a model's artifacts an engine can load on a device, best first, or why none.
 */
import type { Artifact, ModelInfo } from '../../models/model.ts';
import type { DeviceKind, FormatSupport, Reason } from '../engine.ts';

/** The usual compromise of size and quality, taken when several are to be had. */
const QUANTIZATION_DEFAULT = 'Q4_K_M';

/** Artifacts the engine loads on `device`: those on this machine first, then as the engine ranks. */
export function loadableArtifacts(
  model: ModelInfo,
  formats: readonly FormatSupport[],
  device: DeviceKind,
): readonly Artifact[] {
  const rank = (artifact: Artifact): number =>
    formats.findIndex((support) => isLoadable(artifact, support, device));
  return model.artifacts
    .map((artifact, order) => ({ artifact, order, rank: rank(artifact) }))
    .filter((entry) => entry.rank >= 0)
    .sort(
      (a, b) =>
        Number(a.artifact.path === null) - Number(b.artifact.path === null) ||
        a.rank - b.rank ||
        Number(!isDefault(a.artifact)) - Number(!isDefault(b.artifact)) ||
        a.order - b.order,
    )
    .map((entry) => entry.artifact);
}

function isLoadable(artifact: Artifact, support: FormatSupport, device: DeviceKind): boolean {
  if (artifact.format !== support.format || !support.devices.includes(device)) return false;
  if (support.quantizations === undefined || artifact.quantization === null) return true;
  const wanted = artifact.quantization.toLowerCase();
  return support.quantizations.some((name) => name.toLowerCase() === wanted);
}

function isDefault(artifact: Artifact): boolean {
  return artifact.quantization?.toUpperCase() === QUANTIZATION_DEFAULT;
}

/** Why nothing can be loaded: the format, or only its quantization on this device. */
export function formatReason(
  model: ModelInfo,
  formats: readonly FormatSupport[],
  device: DeviceKind,
): Reason {
  const has = [...new Set(model.artifacts.map(artifactName))].join(', ');
  const loads = formats.filter((support) => support.devices.includes(device)).map(supportName);
  const where = device === 'cpu' ? 'the CPU' : `this ${device} device`;
  if (loads.length === 0) {
    const elsewhere = [...new Set(formats.flatMap((support) => support.devices))].join(', ');
    return {
      code: 'format-unsupported',
      because: `loads nothing on ${where} (it has formats for ${elsewhere})`,
      hint: null,
    };
  }
  return {
    code: 'format-unsupported',
    because: `loads ${loads.join(', ')} on ${where}, ${model.name} is there as ${has}`,
    hint: `name a version of the model in ${formats
      .filter((support) => support.devices.includes(device))
      .map((support) => support.format)
      .filter((format, index, all) => all.indexOf(format) === index)
      .join(' or ')}`,
  };
}

/** `gguf Q4_K_M`, `safetensors bf16`. */
export function artifactName(artifact: Artifact): string {
  return artifact.quantization === null
    ? artifact.format
    : `${artifact.format} ${artifact.quantization}`;
}

function supportName(support: FormatSupport): string {
  return support.quantizations === undefined
    ? support.format
    : `${support.format} (${support.quantizations.join(', ')})`;
}

/** Weights of four bytes each. */
export function isFloat32({ quantization }: Artifact): boolean {
  return quantization === 'fp32' || quantization === 'float32';
}
