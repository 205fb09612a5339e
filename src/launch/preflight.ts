/** Answers: what would stop an install, before a byte of it is fetched or a question is asked. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import type { Python } from '../base/python.ts';
import { formatBytes } from '../base/units.ts';
import type { EnvironmentRecipe, Service } from '../engines/engine.ts';
import { recipeReasons } from '../engines/shared/usable.ts';
import type { Machine } from '../hardware/machine.ts';

/** Room beyond the sizes of a recipe, which are rounded; the installer asks for as much. */
const DISK_FACTOR = 1.1;

export interface Install {
  readonly engine: Service;
  readonly recipe: EnvironmentRecipe;
  readonly machine: Machine;
  /** What else will be written at the same time; absent = nothing. */
  readonly bytesBeside?: number;
}

/**
 * The Python that the environment is made from. Whether the index can be reached is the installer's
 * to find out, at its start: it alone knows which one uv or pip would ask.
 * @throws HL_ENGINE_UNUSABLE, HL_PYTHON_MISSING, HL_PYTHON_TOO_OLD, HL_PYTHON_TOO_NEW,
 *   HL_DISK_FULL
 */
export async function preflight(
  { engine, recipe, machine, bytesBeside = 0 }: Install,
  context: Context,
): Promise<Python> {
  const reasons = recipeReasons(engine, recipe, machine);
  if (reasons.length > 0) {
    fail('HL_ENGINE_UNUSABLE', { engine: engine.name, recipe: recipe.id, reasons });
  }
  const python = await context.python(engine.requirements);
  refuseFullDisk(machine, diskBytesNeeded(recipe) + bytesBeside);
  return python;
}

/** @throws HL_DISK_FULL */
export function refuseFullDisk({ disk }: Machine, bytesNeeded: number): void {
  const { bytesFree, path } = disk;
  if (bytesFree === null || bytesFree >= bytesNeeded) return;
  fail('HL_DISK_FULL', { path: path ?? 'the disk', bytesNeeded, bytesFree });
}

/** What is fetched lies there until it has been unpacked. */
export function diskBytesNeeded({ bytesDownload, bytesOnDisk }: EnvironmentRecipe): number {
  return Math.round((bytesDownload + bytesOnDisk) * DISK_FACTOR);
}

export interface Asked {
  readonly consent: (question: string) => Promise<boolean>;
  /** What could be done without this install, or why nothing; absent = nothing to say. */
  readonly instead?: string;
}

/** The one question there is about an install. @throws HL_CONSENT_NEEDED */
export async function askFirst(
  engine: Service,
  { bytesDownload, bytesOnDisk }: EnvironmentRecipe,
  { consent, instead }: Asked,
): Promise<void> {
  if (engine.isEmbedded === true) return;
  const { id, name } = engine;
  const size = `${formatBytes(bytesDownload)} to download, ${formatBytes(bytesOnDisk)} on disk`;
  const known = instead === undefined ? '' : ` (${instead})`;
  const question = `${name} ${engine.versionPinned} is not installed: ${size}${known}. Install it?`;
  if (await consent(question)) return;
  const sizes = { bytesDownload, bytesOnDisk };
  fail('HL_CONSENT_NEEDED', {
    engine: name,
    id,
    ...sizes,
    ...(instead === undefined ? {} : { instead }),
  });
}
