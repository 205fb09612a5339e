/**
 * Answers: which model a path on this machine holds: a GGUF file, one file of a model folder, or
 * the folder. What is missing is reported with its neighbours.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { fail } from '../base/errors.ts';
import { nearestNames } from '../base/suggest.ts';
import { cachedDescription } from './description-cache.ts';
import { describeFolder, type FolderLabel } from './folder.ts';
import { listFolder } from './folder-files.ts';
import { ggufParts, readGgufFile } from './gguf-file.ts';
import { ggufModel } from './gguf-model.ts';
import type { ModelInfo } from './model.ts';
import { userPath } from '../base/paths.ts';

export interface PathOptions {
  readonly cacheFolder: string | null;
  readonly env: NodeJS.ProcessEnv;
}

/** @throws HL_MODEL_NOT_FOUND with the absolute path and files of similar names. */
export async function describePath(text: string, options: PathOptions): Promise<ModelInfo> {
  const path = userPath(text, options.env);
  const stats = await stat(path).catch(() => null);
  if (stats === null) return await refuseMissing(text, path);
  if (stats.isDirectory()) {
    return await describeCachedFolder(path, { ref: path, name: basename(path) }, options);
  }
  if (/\.(?:bin|pth?|ckpt|pkl|pickle)$/i.test(path)) {
    fail('HL_MODEL_FORMAT_UNSUPPORTED', {
      path,
      because: 'it is a pickle by its name, which can run code and is never read',
    });
  }
  if (/\.safetensors$|\/config\.json$/i.test(path)) {
    const folder = dirname(path);
    return await describeCachedFolder(folder, { ref: folder, name: basename(folder) }, options);
  }
  return await describeCachedGguf(path, path, options);
}

export async function describeCachedGguf(
  path: string,
  ref: string,
  options: { readonly cacheFolder: string | null },
): Promise<ModelInfo> {
  const what = { subject: `gguf ${path} as ${ref}`, files: ggufParts(path) };
  return await cachedDescription(options.cacheFolder, what, async () => {
    return ggufModel(await readGgufFile(path), ref);
  });
}

export async function describeCachedFolder(
  path: string,
  label: FolderLabel,
  options: { readonly cacheFolder: string | null },
): Promise<ModelInfo> {
  const files = await listFolder(path);
  const read = files.others.filter((file) => /\.(?:gguf|safetensors|json|jinja)$/i.test(file));
  const what = { subject: `folder ${JSON.stringify([path, label, files.others])}`, files: read };
  return await cachedDescription(options.cacheFolder, what, async () => {
    return await describeFolder(path, label);
  });
}

/** Whether a text that is no path by its looks is nevertheless a model's folder. */
export async function isModelFolder(text: string): Promise<boolean> {
  const path = resolve(text);
  const stats = await stat(path).catch(() => null);
  if (stats === null || !stats.isDirectory()) return false;
  const config = await stat(join(path, 'config.json')).catch(() => null);
  return config !== null;
}

async function refuseMissing(text: string, path: string): Promise<never> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => null);
  if (names === null) {
    fail('HL_MODEL_NOT_FOUND', {
      ref: text,
      nearest: [],
      hint: `\`${path}\` does not exist, and neither does the folder \`${folder}\``,
    });
  }
  const near = nearestNames(basename(path), names, { count: 3, isAnyDistance: false });
  const models = names.filter((name) => /\.gguf$/i.test(name)).slice(0, 3);
  const nearest = (near.length > 0 ? near : models).map((name) => join(folder, name));
  const others =
    nearest.length > 0
      ? `; near it: ${nearest.map((name) => `\`${name}\``).join(', ')}`
      : `, and nothing in \`${folder}\` is named like it`;
  return fail('HL_MODEL_NOT_FOUND', {
    ref: text,
    nearest,
    hint: `the file \`${path}\` does not exist${others}`,
  });
}
