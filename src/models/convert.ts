/**
 * Answers: how a model's weights are written in another format, on this machine. A converter in an
 * environment of its own does it; the result appears whole or not at all.
 */
import { join } from 'node:path';
import { runInstall, type RunInstallOptions } from '../base/installer.ts';
import { servicesFolder } from '../base/paths.ts';

/** Of the package that reads and writes GGUF; the environment is named by it. */
const CONVERTER_VERSION = '0.19.0';
const CONVERTER_BYTES_DOWNLOAD = 22_000_000;
const CONVERTER_BYTES_ON_DISK = 90_000_000;

export const CONVERSION_FORMATS = ['safetensors', 'gguf'] as const;
export const CONVERSION_DTYPES = ['bfloat16', 'float32'] as const;

export interface Conversion {
  /** A GGUF file. */
  readonly source: string;
  /** Folder (safetensors) or file (GGUF) to make; absolute. */
  readonly target: string;
  readonly format: (typeof CONVERSION_FORMATS)[number];
  readonly dtype: (typeof CONVERSION_DTYPES)[number];
  /** Of the result, about; the disk is checked for it. */
  readonly bytesOnDisk: number;
}

/**
 * Returns when the target is there, at once if it was; installs the converter first.
 * @throws HL_MODEL_FORMAT_UNSUPPORTED, HL_MODEL_CORRUPT, HL_DISK_FULL, HL_OFFLINE, HL_CANCELLED
 */
export async function convertModel(
  { source, target, format, dtype, bytesOnDisk }: Conversion,
  options: RunInstallOptions & { readonly dataFolder: string },
): Promise<{ readonly durationMs: number; readonly was: 'new' | 'present' }> {
  const folder = join(servicesFolder(), 'convert');
  const service = join(folder, 'service.py');
  const environment = join(options.dataFolder, 'tools', 'convert', CONVERTER_VERSION);
  const installed = await runInstall(
    {
      kind: 'environment',
      target: environment,
      lock: join(folder, 'any.lock.txt'),
      index: null,
      service,
      version: CONVERTER_VERSION,
      recipe: 'any',
      bytesDownload: CONVERTER_BYTES_DOWNLOAD,
      bytesOnDisk: CONVERTER_BYTES_ON_DISK,
    },
    { name: 'the converter', id: 'convert' },
    options,
  );
  const { durationMs, was } = await runInstall(
    {
      kind: 'conversion',
      target,
      python: join(environment, 'bin', 'python'),
      service,
      arguments: ['--from', source, '--to', format, '--dtype', dtype],
      bytesDownload: 0,
      bytesOnDisk,
    },
    { name: source, id: source },
    options,
  );
  return { durationMs: installed.durationMs + durationMs, was };
}
