/**
 * Answers: how a model's weights are written in another format, on this machine. A converter in an
 * environment of its own does it; the result appears whole or not at all.
 */
import { join } from 'node:path';
import { fs } from '../base/fs.ts';
import { runInstall, type RunInstallOptions } from '../base/installer.ts';
import { servicesFolder } from '../base/paths.ts';

/** Of the package that reads and writes GGUF; the environment is named by it. */
const CONVERTER_VERSION = '0.19.0';
const CONVERTER_BYTES_DOWNLOAD = 22_000_000;
const CONVERTER_BYTES_ON_DISK = 90_000_000;
const CONVERTER_HINT = 'run the same command again; nothing half-made was kept';

export const CONVERSION_FORMATS = ['safetensors', 'gguf'] as const;
export const CONVERSION_DTYPES = ['bfloat16', 'float32'] as const;

export interface Conversion {
  /** A GGUF file. */
  readonly source: string;
  /** Folder (safetensors) or file (GGUF) to make; absolute. */
  readonly target: string;
  /** It lies where we keep models; what lies at a path of the user's is never touched. */
  readonly isOurs: boolean;
  readonly format: (typeof CONVERSION_FORMATS)[number];
  readonly dtype: (typeof CONVERSION_DTYPES)[number];
  /** Of the result, about; the disk is checked for it. */
  readonly bytesOnDisk: number;
}

/** What a conversion will download first; 0 when the converter is here. */
export function converterBytesMissing(dataFolder: string): number {
  return fs.existsSync(converterFolder(dataFolder)) ? 0 : CONVERTER_BYTES_DOWNLOAD;
}

/** Beside other versions of it. */
export function converterFolder(dataFolder: string): string {
  return join(dataFolder, 'tools', 'convert', CONVERTER_VERSION);
}

/**
 * Returns when the target is there, at once if it was; installs the converter first.
 * @throws HL_MODEL_FORMAT_UNSUPPORTED, HL_MODEL_CORRUPT, HL_DISK_FULL, HL_OFFLINE, HL_CANCELLED
 */
export async function convertModel(
  { source, target, isOurs, format, dtype, bytesOnDisk }: Conversion,
  options: RunInstallOptions & { readonly dataFolder: string },
): Promise<{ readonly durationMs: number; readonly was: 'new' | 'present' }> {
  const folder = join(servicesFolder(), 'convert');
  const service = join(folder, 'service.py');
  const environment = converterFolder(options.dataFolder);
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
    { name: 'the converter', id: 'convert', hint: CONVERTER_HINT },
    options,
  );
  const { durationMs, was } = await runInstall(
    {
      kind: 'conversion',
      target,
      isOurs,
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
