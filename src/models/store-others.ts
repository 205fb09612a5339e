/**
 * Answers: which models other programs keep on this machine: LM Studio's folders of GGUF files and
 * Ollama's store, whose model layers are plain GGUF files. Read in place, nothing is copied.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { isJsonObject, readJsonFile } from './json.ts';
import { homeFolder } from '../base/paths.ts';

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
  const found = await foldersBelow(root, 2);
  return found
    .map((folder) => folder.slice(root.length + 1))
    .sort()
    .slice(0, MODELS_MAX);
}

/** The user's own store, then the one of Ollama's system service. */
export function ollamaFolders(env: NodeJS.ProcessEnv): readonly string[] {
  const own = env['OLLAMA_MODELS'];
  if (own !== undefined && own !== '') return [own];
  return [join(homeFolder(env), '.ollama', 'models'), '/usr/share/ollama/.ollama/models'];
}

/** Every model of the stores, sorted by name. */
export async function listOllama(env: NodeJS.ProcessEnv): Promise<readonly OllamaModel[]> {
  const manifests = await listManifests(env);
  return await Promise.all(manifests.map(readManifest));
}

/** `name` as Ollama writes it; the tag is `latest` when left out. */
export async function findOllama(
  env: NodeJS.ProcessEnv,
  name: string,
  tag: string | null,
): Promise<OllamaModel | null> {
  const wanted = `${name.replace(/^library\//, '')}:${tag ?? 'latest'}`.toLowerCase();
  const manifests = await listManifests(env);
  const found = manifests.find((manifest) => manifest.name.toLowerCase() === wanted);
  return found === undefined ? null : await readManifest(found);
}

interface Manifest {
  readonly name: string;
  readonly path: string;
  readonly store: string;
}

/** Manifests lie at `manifests/HOST/OWNER/NAME/TAG`; the first store that has a name counts. */
async function listManifests(env: NodeJS.ProcessEnv): Promise<readonly Manifest[]> {
  const found = new Map<string, Manifest>();
  for (const store of ollamaFolders(env)) {
    for (const folder of await foldersBelow(join(store, 'manifests'), 3)) {
      const [owner = '', model = ''] = folder.split('/').slice(-2);
      for (const tag of await readdir(folder).catch(() => [])) {
        const name = `${owner === 'library' ? '' : `${owner}/`}${model}:${tag}`;
        if (!found.has(name)) found.set(name, { name, path: join(folder, tag), store });
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, MODELS_MAX);
}

async function readManifest({ name, path, store }: Manifest): Promise<OllamaModel> {
  const manifest = await readJsonFile(path).catch(() => null);
  const layers = Array.isArray(manifest?.['layers']) ? manifest['layers'].filter(isJsonObject) : [];
  const digestOf = (ending: string): string | null => {
    const layer = layers.find(({ mediaType }) => String(mediaType).endsWith(ending));
    const digest = layer?.['digest'];
    // The digest becomes a file name.
    return typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : null;
  };
  const model = digestOf('.image.model');
  const blob = model === null ? null : join(store, 'blobs', model.replace(':', '-'));
  return { name, path: blob, hasProjector: digestOf('.image.projector') !== null };
}

/** Folders exactly `depth` levels below `root`. */
async function foldersBelow(root: string, depth: number): Promise<readonly string[]> {
  if (depth === 0) return [root];
  const names = await readdir(root).catch(() => []);
  const found: string[] = [];
  for (const name of names.filter((entry) => !entry.startsWith('.')).slice(0, MODELS_MAX)) {
    const path = join(root, name);
    const stats = await stat(path).catch(() => null);
    if (stats?.isDirectory() === true) found.push(...(await foldersBelow(path, depth - 1)));
  }
  return found;
}
