/** Answers: what would stop an install, before a byte of it is fetched or a question is asked. */
import { fail } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import type { Service, EnvironmentRecipe } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';

/** The packages lie beside the environment, unpacked, until they are linked or copied into it. */
const STAGING_SHARE = 0.2;

/** @throws HL_DISK_FULL */
export function refuseFullDisk(recipe: EnvironmentRecipe, { disk }: Machine): void {
  const bytesNeeded = Math.round(recipe.bytesOnDisk * (1 + STAGING_SHARE));
  const { bytesFree, path } = disk;
  if (bytesFree !== null && bytesFree < bytesNeeded) {
    fail('HL_DISK_FULL', { path: path ?? 'the disk', bytesNeeded, bytesFree });
  }
}

/** The one question there is about an install. @throws HL_CONSENT_NEEDED */
export async function askFirst(
  engine: Service,
  { bytesDownload, bytesOnDisk }: EnvironmentRecipe,
  consent: (question: string) => Promise<boolean>,
): Promise<void> {
  if (engine.isEmbedded === true) return;
  const { id, name } = engine;
  const size = `${formatBytes(bytesDownload)} to download, ${formatBytes(bytesOnDisk)} on disk`;
  if (await consent(`${name} ${engine.versionPinned} is not installed: ${size}. Install it?`))
    return;
  fail('HL_CONSENT_NEEDED', { engine: name, id, bytesDownload, bytesOnDisk });
}
