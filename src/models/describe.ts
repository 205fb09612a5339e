/**
 * Answers: which model a reference means, looked for in the order that `docs` promise: existing
 * file, explicit scheme, alias, stores on this machine, catalog. Nothing is fetched.
 */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { fail } from '../base/errors.ts';
import { catalogEntries, findInCatalog, type CatalogMatch } from './catalog.ts';
import { familyModel } from './catalog-family.ts';
import { describePath } from './describe-path.ts';
import type { ModelInfo } from './model.ts';
import { parseReference, type ShortReference } from './reference.ts';
import { nearestNames } from '../base/suggest.ts';

export interface DescribeOptions {
  /** Where our own models lie. */
  readonly dataFolder: string;
  /** Where descriptions are kept; `null` = nowhere. */
  readonly cacheFolder: string | null;
  readonly env: NodeJS.ProcessEnv;
  /** The user's own names for references. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/**
 * @throws HL_OPTION_INVALID for what is no reference, HL_MODEL_NOT_FOUND, HL_MODEL_NOT_LOCAL,
 *   HL_MODEL_FORMAT_UNSUPPORTED, HL_MODEL_CORRUPT
 */
export async function describeModel(text: string, options: DescribeOptions): Promise<ModelInfo> {
  const reference = parseReference(text);
  if (reference.kind === 'path') return await describePath(reference.path, options);
  if (reference.kind === 'short') {
    const match = findInCatalog(reference);
    if (match !== null) return await describeMatch(match, options);
  }
  return fail('HL_MODEL_NOT_FOUND', { ref: text, nearest: [] });
}

async function describeMatch(match: CatalogMatch, options: DescribeOptions): Promise<ModelInfo> {
  if (match.kind === 'family') return familyModel(match.family);
  const { fetchable, model } = match;
  const path = join(options.dataFolder, fetchable.file);
  const size = await stat(path).then(
    (stats) => stats.size,
    () => null,
  );
  const isHere = size === fetchable.bytesOnDisk;
  const artifacts = model.artifacts.map((artifact) => ({
    ...artifact,
    path: isHere ? path : null,
  }));
  return { ...model, artifacts };
}
