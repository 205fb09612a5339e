/**
 * Answers: what lies in the Hugging Face cache: `models--ORG--NAME/{refs,snapshots,blobs}`, with
 * links into blobs or with plain files. Read in place, nothing is written.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { homeFolder, userPath } from '../base/paths.ts';

export interface Snapshot {
  /** As the folder spells it. */
  readonly repo: string;
  readonly commit: string;
  readonly path: string;
}

/** `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`. */
export function hubFolder(env: NodeJS.ProcessEnv): string {
  const cache = env['HF_HUB_CACHE'];
  if (cache !== undefined && cache !== '') return userPath(cache, env);
  const home = env['HF_HOME'];
  if (home !== undefined && home !== '') return join(userPath(home, env), 'hub');
  return join(homeFolder(env), '.cache', 'huggingface', 'hub');
}

/** `ORG/NAME` of every model repository in the cache, sorted. */
export async function listHubRepos(hub: string): Promise<readonly string[]> {
  const names = await readdir(hub).catch(() => []);
  return names
    .filter((name) => /^models--[^-].*--./.test(name))
    .map((name) => name.slice('models--'.length).replace('--', '/'))
    .sort();
}

/**
 * The snapshot of a repository: of `revision` (branch, tag, commit or its beginning), else of
 * `main`, else the only or newest one. Names without regard to case, as the hub has them.
 */
export async function findSnapshot(
  hub: string,
  repo: string,
  revision: string | null,
): Promise<Snapshot | null> {
  const spelled = await spelledRepo(hub, repo);
  if (spelled === null) return null;
  const folder = join(hub, `models--${spelled.replace('/', '--')}`);
  const commits = await readdir(join(folder, 'snapshots')).catch(() => []);
  const named = await readRef(join(folder, 'refs'), revision ?? 'main');
  const wanted = named ?? revision;
  const commit =
    commits.find((name) => name === wanted) ??
    commits.find(
      (name) => revision !== null && /^[0-9a-f]{7,40}$/.test(revision) && name.startsWith(revision),
    ) ??
    (revision === null ? await newest(join(folder, 'snapshots'), commits) : null);
  return commit === null
    ? null
    : { repo: spelled, commit, path: join(folder, 'snapshots', commit) };
}

async function spelledRepo(hub: string, repo: string): Promise<string | null> {
  const exact = await stat(join(hub, `models--${repo.replace('/', '--')}`)).catch(() => null);
  if (exact !== null) return repo;
  const wanted = repo.toLowerCase();
  return (await listHubRepos(hub)).find((name) => name.toLowerCase() === wanted) ?? null;
}

async function readRef(refs: string, name: string): Promise<string | null> {
  const text = await readFile(join(refs, name), 'utf8').catch(() => '');
  const commit = text.slice(0, 64).trim();
  // A ref is a commit; anything else must not become part of a path.
  return /^[0-9a-f]{40}$/.test(commit) ? commit : null;
}

async function newest(folder: string, commits: readonly string[]): Promise<string | null> {
  const dated = await Promise.all(
    commits.map(async (commit) => {
      const stats = await stat(join(folder, commit)).catch(() => null);
      return { commit, changedMs: stats?.mtimeMs ?? 0 };
    }),
  );
  return dated.sort((a, b) => b.changedMs - a.changedMs)[0]?.commit ?? null;
}
