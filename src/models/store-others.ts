/**
 * Answers: which models other programs keep on this machine: LM Studio's folders of GGUF files and
 * Ollama's store, whose model layers are plain GGUF files. Read in place, nothing is copied.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { isJsonObject, readJsonFile } from './json.ts';
import { homeFolder } from './store-hub.ts';

export interface OllamaModel {
  /** `NAME:TAG`, with the owner where it is not Ollama's own library. */
  readonly name: string;
  /** The GGUF file; `null` when the model is stored in another manner. */
  readonly path: string | null;
  readonly hasProjector: boolean;
}

/** A store of more models than this is listed up to here. */
const MODELS_MAX = 2000;

export function lmStudioFolder(env: NodeJS.ProcessEnv): string {
  return join(homeFolder(env), '.lmstudio', 'models');
}

/** `PUBLISHER/MODEL` of every folder, sorted. */
export async function listLmStudio(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const root = lmStudioFolder(env);
  const found: string[] = [];
  for (const publisher of await folders(root)) {
    for (const model of await folders(join(root, publisher))) found.push(`${publisher}/${model}`);
  }
  return found.slice(0, MODELS_MAX).sort();
}

/** The user's own store, then the one of Ollama's system service. */
export function ollamaFolders(env: NodeJS.ProcessEnv): readonly string[] {
  const own = env['OLLAMA_MODELS'];
  if (own !== undefined && own !== '') return [own];
  return [join(homeFolder(env), '.ollama', 'models'), '/usr/share/ollama/.ollama/models'];
}

/** Every model of the stores; manifests lie at `manifests/HOST/OWNER/NAME/TAG`. */
export async function listOllama(env: NodeJS.ProcessEnv): Promise<readonly OllamaModel[]> {
  const models = new Map<string, OllamaModel>();
  for (const root of ollamaFolders(env)) {
    for (const parts of await manifests(join(root, 'manifests'))) {
      const [, owner = '', name = '', tag = ''] = parts;
      const full = `${owner === 'library' ? '' : `${owner}/`}${name}:${tag}`;
      if (!models.has(full) && models.size < MODELS_MAX) {
        models.set(full, await readManifest(root, parts, full));
      }
    }
  }
  return [...models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `name` as Ollama writes it; the tag is `latest` when left out. */
export async function findOllama(
  env: NodeJS.ProcessEnv,
  name: string,
  tag: string | null,
): Promise<OllamaModel | null> {
  const wanted = `${name.replace(/^library\//, '')}:${tag ?? 'latest'}`.toLowerCase();
  const models = await listOllama(env);
  return models.find((model) => model.name.toLowerCase() === wanted) ?? null;
}

async function manifests(root: string): Promise<readonly (readonly string[])[]> {
  const found: string[][] = [];
  for (const host of await folders(root)) {
    for (const owner of await folders(join(root, host))) {
      for (const name of await folders(join(root, host, owner))) {
        const tags = await readdir(join(root, host, owner, name)).catch(() => []);
        found.push(...tags.map((tag) => [host, owner, name, tag]));
        if (found.length > MODELS_MAX) return found;
      }
    }
  }
  return found;
}

async function readManifest(
  root: string,
  parts: readonly string[],
  name: string,
): Promise<OllamaModel> {
  const manifest = await readJsonFile(join(root, 'manifests', ...parts)).catch(() => null);
  const layers = Array.isArray(manifest?.['layers']) ? manifest['layers'].filter(isJsonObject) : [];
  const digestOf = (ending: string): string | null => {
    const layer = layers.find(({ mediaType }) => String(mediaType).endsWith(ending));
    const digest = layer?.['digest'];
    // The digest becomes a file name.
    return typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : null;
  };
  const model = digestOf('.image.model');
  const path = model === null ? null : join(root, 'blobs', model.replace(':', '-'));
  return { name, path, hasProjector: digestOf('.image.projector') !== null };
}

async function folders(path: string): Promise<readonly string[]> {
  const entries = await readdir(path).catch(() => []);
  const kinds = await Promise.all(
    entries.map(async (name) => (await stat(join(path, name)).catch(() => null))?.isDirectory()),
  );
  return entries.filter((name, i) => kinds[i] === true && !name.startsWith('.'));
}
