/**
 * Answers: which models are on this machine: our own folder, the Hugging Face cache, LM Studio,
 * Ollama. A model that cannot be read is listed with its problem; nothing is thrown for it.
 */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { toHyperLlamaError } from '../base/errors.ts';
import { DEMO } from './catalog-demo.ts';
import { describeDemo } from './describe-demo.ts';
import { describePath } from './describe-path.ts';
import { describeHub, describeLmStudio, describeOllama } from './describe-store.ts';
import type { ModelInfo, WeightFormat } from './model.ts';
import { hubFolder, listHubRepos } from './store-hub.ts';
import { listLmStudio, listOllama } from './store-others.ts';

export interface LocalModel {
  /** What a command takes. */
  readonly ref: string;
  readonly name: string;
  readonly formats: readonly WeightFormat[];
  readonly bytesOnDisk: number | null;
  /** File or folder; `null` when it could not be told. */
  readonly path: string | null;
  readonly origin: 'catalog' | 'file' | 'hub-cache' | 'lmstudio' | 'ollama';
  /** Why it cannot be used; `null` = it can. */
  readonly problem: string | null;
}

export interface ListOptions {
  readonly dataFolder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Where descriptions are kept; left out or `null` = every header is read again. */
  readonly cacheFolder?: string | null;
}

interface Found {
  readonly ref: string;
  readonly path: string | null;
  readonly origin: LocalModel['origin'];
  readonly describe: () => Promise<ModelInfo>;
}

/** Our own first, then by name within each store. */
export async function listLocalModels(options: ListOptions): Promise<readonly LocalModel[]> {
  const reading = { cacheFolder: options.cacheFolder ?? null, env: options.env };
  const found = [
    ...(await ownModels(options, reading)),
    ...(await hubModels(reading)),
    ...(await listLmStudio(options.env)).map((repo): Found => ({
      ref: `lmstudio:${repo}`,
      path: null,
      origin: 'lmstudio',
      describe: async () => await describeLmStudio({ repo, path: null }, reading),
    })),
    ...(await listOllama(options.env)).map(({ name, path }): Found => {
      const at = name.lastIndexOf(':');
      const reference = { name: name.slice(0, at), tag: name.slice(at + 1) };
      return {
        ref: `ollama:${name}`,
        path,
        origin: 'ollama',
        describe: async () => await describeOllama(reference, reading),
      };
    }),
  ];
  const models: LocalModel[] = [];
  for (const entry of found) models.push(await examine(entry));
  return models;
}

async function examine({ ref, path, origin, describe }: Found): Promise<LocalModel> {
  try {
    const model = await describe();
    const sizes = model.artifacts.map((artifact) => artifact.bytesOnDisk ?? 0);
    return {
      ref,
      name: model.name,
      formats: [...new Set(model.artifacts.map((artifact) => artifact.format))],
      bytesOnDisk: sizes.reduce((sum, size) => sum + size, 0),
      path: path ?? model.artifacts[0]?.path ?? null,
      origin,
      problem: null,
    };
  } catch (thrown) {
    const problem = toHyperLlamaError(thrown).message;
    const name = basename(path ?? ref);
    return { ref, name, formats: [], bytesOnDisk: null, path, origin, problem };
  }
}

type Reading = { readonly cacheFolder: string | null; readonly env: NodeJS.ProcessEnv };

async function ownModels({ dataFolder }: ListOptions, reading: Reading): Promise<readonly Found[]> {
  const path = join(dataFolder, DEMO.file);
  if ((await stat(path).catch(() => null)) === null) return [];
  const { ref } = DEMO;
  const describe = async (): Promise<ModelInfo> => {
    // Its header is read, so that a damaged file shows.
    const model = await describePath(path, reading);
    const { artifacts } = await describeDemo(null, dataFolder);
    const made = artifacts.filter((artifact) => artifact.origin === 'conversion' && artifact.path);
    return { ...model, artifacts: [...model.artifacts, ...made] };
  };
  return [{ ref, path, origin: 'catalog', describe }];
}

async function hubModels(reading: Reading): Promise<readonly Found[]> {
  const hub = hubFolder(reading.env);
  return (await listHubRepos(hub)).map((repo): Found => {
    const reference = { kind: 'hub', repo, variant: null, revision: null, path: null } as const;
    return {
      ref: repo,
      path: join(hub, `models--${repo.replace('/', '--')}`),
      origin: 'hub-cache',
      describe: async () => await describeHub(reference, reading),
    };
  });
}
