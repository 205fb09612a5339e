/**
 * Answers: which engines are installed, which version of one is in use, and how one is installed or
 * removed. One folder for each engine, version and recipe under `<data>/engines/`; one without its
 * marker file does not exist.
 */
import { basename, join } from 'node:path';
import { fail } from '../base/errors.ts';
import { fs, listIfAny } from '../base/fs.ts';
import type { InstallEvent } from '../base/installer.ts';
import type { Paths } from '../base/paths.ts';
import type { Python } from '../base/python.ts';
import { readState, writeState } from '../base/state.ts';
import type {
  DeviceKind,
  Service,
  EnvironmentRecipe,
  Installation,
  LaunchPlan,
} from '../engines/engine.ts';
import { compareVersions } from '../engines/shared/versions.ts';

/** Written last by the installer: `{version, build, devices, recipe, bytesOnDisk}`. */
const MARKER = 'hyperllama-environment.json';
/** Recipe → folder in use, `{"cpu": "1.2.0-cpu"}`: written by updates and rollbacks only. */
const IN_USE = 'in-use.json';

export interface InstalledEnvironment extends Installation {
  readonly bytesOnDisk: number | null;
}

/** All environments of `engineId`, newest version first. */
export async function installedEnvironments(
  paths: Paths,
  engineId: string,
): Promise<readonly InstalledEnvironment[]> {
  return await environmentsIn(join(paths.data, 'engines', engineId));
}

/** The same of whatever has its versions in `folder`. */
export async function environmentsIn(folder: string): Promise<readonly InstalledEnvironment[]> {
  const names = listIfAny(folder);
  const found = await Promise.all(
    names
      .filter((name) => !name.includes('.staging-') && !name.endsWith('.lock'))
      .map(async (name) => readMarker(join(folder, name))),
  );
  return found
    .filter((environment) => environment !== null)
    .sort((a, b) => compareVersions(b.version, a.version));
}

/**
 * One environment of each recipe, newest version first: the one that an update or a rollback chose,
 * else the newest. The only place that says which of several versions is started.
 */
export async function environmentsInUse(
  paths: Paths,
  engineId: string,
): Promise<readonly InstalledEnvironment[]> {
  const [all, chosen] = await Promise.all([
    installedEnvironments(paths, engineId),
    readChosen(paths, engineId),
  ]);
  const isChosen = ({ recipe, path }: InstalledEnvironment): boolean =>
    recipe !== null && chosen[recipe] === basename(path);
  return all.filter((environment) => {
    const others = all.filter(({ recipe }) => recipe === environment.recipe);
    return environment === (others.find(isChosen) ?? others[0]);
  });
}

/** From now on this one of its recipe is started, whatever else is installed. */
export async function useEnvironment(
  paths: Paths,
  engineId: string,
  { recipe, path }: Installation,
): Promise<void> {
  if (recipe === null) return;
  const chosen = await readChosen(paths, engineId);
  const file = join(paths.data, 'engines', engineId, IN_USE);
  await writeState(file, { ...chosen, [recipe]: basename(path) });
}

async function readChosen(
  paths: Paths,
  engineId: string,
): Promise<Readonly<Record<string, unknown>>> {
  const value = await readState(join(paths.data, 'engines', engineId, IN_USE));
  // Damaged or missing: then the newest is in use.
  return value !== null && typeof value === 'object'
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

/**
 * The environment that a plan starts from: of its recipe, because a build for the CPU and one for a
 * GPU may lie side by side, and of its version, whichever is in use by now: the plan's flags and what
 * is said of it are of that one. `null` when it is not installed.
 */
export async function environmentOf(
  paths: Paths,
  { engine, recipe }: LaunchPlan,
): Promise<InstalledEnvironment | null> {
  const all = await installedEnvironments(paths, engine.id);
  const isPlanned = (environment: InstalledEnvironment): boolean =>
    environment.recipe === recipe && released(environment) === released(engine);
  return all.find(isPlanned) ?? null;
}

/** `0.32.0+cu129` is what may be installed where `0.32.0` was ordered. */
function released({ version }: { readonly version: string }): string {
  return version.replace(/\+.*$/, '');
}

export interface InstallOptions {
  readonly paths: Paths;
  readonly python: Python;
  /** Folder with `service.py` and the locks. */
  readonly serviceFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | null;
  readonly onEvent: (event: InstallEvent) => void;
}

export interface InstallResult {
  readonly installation: InstalledEnvironment;
  readonly durationMs: number;
  readonly was: 'new' | 'present';
}

/** Installs `recipe`, or returns at once when it is there. */
export async function installEnvironment(
  engine: Service,
  recipe: EnvironmentRecipe,
  options: InstallOptions,
): Promise<InstallResult> {
  const target = environmentFolder(options.paths, engine, recipe);
  const { runInstall } = await import('../base/installer.ts');
  const { durationMs, was } = await runInstall(
    {
      kind: 'environment',
      target,
      lock: join(options.serviceFolder, recipe.lock),
      index: recipe.index,
      service: join(options.serviceFolder, 'service.py'),
      version: engine.versionPinned,
      recipe: recipe.id,
      bytesDownload: recipe.bytesDownload,
      bytesOnDisk: recipe.bytesOnDisk,
    },
    { name: engine.name, id: engine.id },
    options,
  );
  const installation = await readMarker(target);
  if (installation === null) {
    return fail('HL_ENGINE_INSTALL_FAILED', {
      engine: engine.name,
      id: engine.id,
      because: `\`${join(target, MARKER)}\` was not written`,
    });
  }
  return { installation, durationMs, was };
}

/** Takes the environment away: renamed first, so that no start meets half of it. */
export async function removeEnvironment(environment: Installation): Promise<void> {
  const doomed = `${environment.path}.staging-removed-${process.pid}`;
  await fs.promises.rename(environment.path, doomed);
  await fs.promises.rm(doomed, { recursive: true, force: true });
}

export function environmentFolder(
  paths: Paths,
  engine: Service,
  recipe: EnvironmentRecipe,
): string {
  return join(paths.data, 'engines', engine.id, `${engine.versionPinned}-${recipe.id}`);
}

export function environmentPython(installation: Installation): string {
  return join(installation.path, 'bin', 'python');
}

async function readMarker(folder: string): Promise<InstalledEnvironment | null> {
  const marker = await readState(join(folder, MARKER));
  if (marker === null || typeof marker !== 'object') return null;
  const { version, build, devices, recipe, bytesOnDisk } = marker as Readonly<
    Record<string, unknown>
  >;
  if (typeof version !== 'string' || typeof build !== 'string') return null;
  return {
    version,
    build,
    recipe: typeof recipe === 'string' ? recipe : null,
    path: folder,
    // Our own installer writes it from `describe`: device words of the service contract.
    devices: Array.isArray(devices) ? (devices as DeviceKind[]) : ['cpu'],
    bytesOnDisk: typeof bytesOnDisk === 'number' ? bytesOnDisk : null,
  };
}
