/**
 * Answers: which model a reference means among the stores on this machine: the Hugging Face cache,
 * LM Studio, Ollama; and which of a family's artifacts are there.
 */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { fail } from '../base/errors.ts';
import { familyModel, hubArtifact, type Family } from './catalog-family.ts';
import {
  describeCachedFolder,
  describeCachedGguf,
  describePath,
  type PathOptions,
} from './describe-path.ts';
import type { Artifact, ModelInfo } from './model.ts';
import { formatReference, type HubReference, type ShortReference } from './reference.ts';
import { findSnapshot, hubFolder, listHubRepos } from './store-hub.ts';
import { findOllama, lmStudioFolder, type OllamaModel } from './store-others.ts';
import { selectVariant, variantName } from './variants.ts';

/** A repository of the hub, from the cache. @throws HL_MODEL_NOT_LOCAL when it is not there. */
export async function describeHub(
  reference: HubReference,
  options: PathOptions,
): Promise<ModelInfo> {
  const hub = hubFolder(options.env);
  const { repo, revision, variant, path } = reference;
  const ref = formatReference(reference);
  const snapshot = await findSnapshot(hub, repo, revision);
  if (snapshot === null) return refuseNotLocal(reference, hub);
  const file = path === null ? snapshot.path : join(snapshot.path, path);
  if ((await stat(file).catch(() => null)) === null) return refuseNotLocal(reference, hub);
  const label = { ref, name: basename(snapshot.repo) };
  const model = /\.gguf$/i.test(file)
    ? await describeCachedGguf(file, ref, options)
    : await describeCachedFolder(path === null ? file : snapshot.path, label, options);
  const artifacts = selectVariant(model.artifacts, variant).map((artifact): Artifact => ({
    ...artifact,
    origin: 'hub-cache',
  }));
  if (artifacts.length === 0) return refuseNotLocal(reference, hub);
  return { ...model, ref, artifacts };
}

function refuseNotLocal(reference: HubReference, looked: string): never {
  const { repo, revision, variant, path } = reference;
  const which = path ?? (variant === null ? null : `--include "*${variant}*"`);
  const parts = [repo, which, revision === null ? null : `--revision ${revision}`];
  const command = `hf download ${parts.filter((part) => part !== null).join(' ')}`;
  fail('HL_MODEL_NOT_LOCAL', {
    ref: formatReference(reference),
    looked,
    hint: `fetch it with \`${command}\` and run the command again, or give the path of a file`,
  });
}

/** A folder of LM Studio. @throws HL_MODEL_NOT_LOCAL */
export async function describeLmStudio(
  reference: { readonly repo: string; readonly path: string | null },
  options: PathOptions,
): Promise<ModelInfo> {
  const root = lmStudioFolder(options.env);
  const path = join(root, reference.repo, reference.path ?? '');
  const ref = formatReference({ kind: 'lmstudio', ...reference });
  if ((await stat(path).catch(() => null)) === null) {
    fail('HL_MODEL_NOT_LOCAL', { ref, looked: root, hint: 'fetch it in LM Studio first' });
  }
  return { ...(await describePath(path, options)), ref };
}

/** A model of Ollama's store. @throws HL_MODEL_NOT_LOCAL */
export async function describeOllama(
  reference: { readonly name: string; readonly tag: string | null },
  options: PathOptions,
): Promise<ModelInfo> {
  const { name, tag } = reference;
  const found = await findOllama(options.env, name, tag);
  const ref = formatReference({ kind: 'ollama', name, tag });
  if (found === null) {
    return fail('HL_MODEL_NOT_LOCAL', {
      ref,
      looked: 'the Ollama store',
      hint: `fetch it with \`ollama pull ${name}${tag === null ? '' : `:${tag}`}\``,
    });
  }
  return await describeOllamaModel(found, ref, options);
}

async function describeOllamaModel(
  found: OllamaModel,
  ref: string,
  options: PathOptions,
): Promise<ModelInfo> {
  if (found.path === null) {
    return fail('HL_MODEL_FORMAT_UNSUPPORTED', {
      path: ref,
      because: 'Ollama keeps this model in a form of its own, not as a GGUF file',
    });
  }
  const model = await describeCachedGguf(found.path, ref, options);
  return { ...model, name: found.name, hasVision: found.hasProjector };
}

/**
 * A short name's exact local hit: a repository of that very name in the Hugging Face cache, when
 * it is the only one, or Ollama's model of that name and tag; `null` when there is none.
 */
export async function describeLocalHit(
  reference: ShortReference,
  options: PathOptions,
): Promise<ModelInfo | null> {
  const { name, size, variant } = reference;
  const wanted = name.toLowerCase();
  const repos = await listHubRepos(hubFolder(options.env));
  const same = repos.filter((repo) => basename(repo).toLowerCase() === wanted);
  const [only] = same;
  if (size === null && only !== undefined && same.length === 1) {
    const hub = { kind: 'hub', repo: only, variant, revision: null, path: null } as const;
    return await describeHub(hub, options);
  }
  const found = variant === null ? await findOllama(options.env, name, size) : null;
  if (found === null || found.path === null) return null;
  return await describeOllamaModel(found, `ollama:${found.name}`, options);
}

/** A family of the catalog, its artifacts with a path where the cache has them. */
export async function describeFamily(
  family: Family,
  variant: string | null,
  options: PathOptions,
): Promise<ModelInfo> {
  const model = familyModel(family);
  const local = await localArtifacts(family, options);
  const missing = family.artifacts
    .map((artifact) => hubArtifact(family, artifact))
    .filter((artifact) => !local.some((here) => variantName(here) === variantName(artifact)));
  const all = [...local, ...missing];
  const artifacts = selectVariant(all, variant);
  if (artifacts.length === 0) {
    const nearest = [...new Set(all.map((artifact) => `${family.ref}:${variantName(artifact)}`))];
    fail('HL_MODEL_NOT_FOUND', { ref: `${family.ref}:${variant ?? ''}`, nearest });
  }
  const ref = variant === null ? family.ref : `${family.ref}:${variant}`;
  return { ...model, ref, artifacts };
}

async function localArtifacts(family: Family, options: PathOptions): Promise<readonly Artifact[]> {
  const found: Artifact[] = [];
  for (const repo of new Set(family.artifacts.map((artifact) => artifact.repo))) {
    const hub = { kind: 'hub', repo, variant: null, revision: null, path: null } as const;
    // What is broken or unfinished counts as not here; naming the repository itself says why.
    const model = await describeHub(hub, options).catch(() => null);
    found.push(...(model?.artifacts ?? []));
  }
  return found;
}
