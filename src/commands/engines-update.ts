/**
 * `hyperllama engines update`: the newest version is installed beside the present one, both answer a
 * test question, and the new one is used from then on; if it fails, the present one stays.
 */
import type { Context } from '../base/context.ts';
import { fail, type HyperLlamaError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { Engine, EnvironmentRecipe } from '../engines/engine.ts';
import { recipeForMachine } from '../engines/shared/recipes.ts';
import { compareVersions } from '../engines/shared/versions.ts';
import {
  environmentsInUse,
  installedEnvironments,
  removeEnvironment,
  useEnvironment,
  type InstalledEnvironment,
} from '../launch/environment.ts';
import { sessionsFrom } from '../launch/fleet.ts';
import { choose, thisMachine, type Wanted } from '../pipeline.ts';
import { makeWorkload } from '../workloads/presets.ts';
import { installRecipe } from './engines-install.ts';
import { findEngine } from './find-engine.ts';
import { probe, type Probe } from './probe.ts';
import type { CommonOptions } from './shared.ts';

export interface UpdateOptions extends CommonOptions {
  readonly model?: string;
  readonly timeout?: number;
}

/** Small, and fetched without an account where it is not here. */
const PROBE_MODEL = 'smollm2:135m';

interface Updated {
  readonly recipe: string;
  readonly from: Probed;
  readonly to: Probed;
  /** Versions that made room: only the one before is kept, which a rollback goes to. */
  readonly removed: readonly string[];
}

interface Probed extends Probe {
  readonly version: string;
  readonly path: string;
}

/** One recipe of the engine: what is in use, and the way to the newest. */
interface Outdated {
  readonly engine: Engine;
  readonly present: InstalledEnvironment;
  readonly recipe: EnvironmentRecipe;
}

export async function updateEngine(
  id: string,
  options: UpdateOptions,
  context: Context,
): Promise<void> {
  const engine = await findEngine(id, context);
  const inUse = await environmentsInUse(context.paths, id);
  const [newest] = inUse;
  if (newest === undefined) {
    const because = 'there is no environment of it';
    return fail('HL_ENGINE_NOT_INSTALLED', { engine: engine.name, id, because });
  }
  const outdated = inUse.flatMap((present): Outdated[] => {
    const recipe = engine.environments.find((known) => known.id === present.recipe);
    const isOld = compareVersions(present.version, engine.versionPinned) < 0;
    return isOld && recipe !== undefined ? [{ engine, present, recipe }] : [];
  });
  const updates: Updated[] = [];
  for (const one of outdated) updates.push(await updateOne(one, options, context));
  const { output } = context;
  if (output.isJson) {
    const version = updates.at(-1)?.to.version ?? newest.version;
    const told = updates.map(({ from, to, ...rest }) => ({
      ...rest,
      from: json(from),
      to: json(to),
    }));
    return output.json({ schema: 'hyperllama.update/1', id, version, updates: told });
  }
  if (updates.length === 0) {
    output.text(`${engine.name} ${newest.version} is the newest that this release installs\n`);
  }
  for (const update of updates) await printUpdate(engine, update, context);
}

async function updateOne(
  { engine, present, recipe }: Outdated,
  options: UpdateOptions,
  context: Context,
): Promise<Updated> {
  const { paths } = context;
  const { id } = engine;
  const machine = await thisMachine(context);
  const isForAll = recipeForMachine(engine, machine)?.id === recipe.id;
  const wanted: Wanted = {
    model: options.model ?? PROBE_MODEL,
    workload: makeWorkload('chat', { device: isForAll ? 'auto' : 'cpu' }),
    engineId: id,
    isToRun: true,
    machine: null,
  };
  // A model that cannot be had or does not fit is said before anything is installed.
  const choice = await choose({ ...wanted, installation: present }, context);
  const { fetchMissing } = await import('../launch/start.ts');
  await fetchMissing({ engine, ...choice }, context);
  // However this ends: until the new version has answered, the present one is in use.
  await useEnvironment(paths, id, present);
  const { installation, was } = await installRecipe({ engine, recipe, machine }, context);
  const limits = { keepAliveMs: 0, startDeadlineMs: options.timeout ?? null };
  const ask = async (installation: InstalledEnvironment): Promise<Probed> => {
    const { version, path } = installation;
    context.output.note(` a test question to ${engine.name} ${version}`);
    return { version, path, ...(await probe({ ...wanted, installation }, limits, context)) };
  };
  // Both, one right after the other: what the machine does just now then shows in both speeds.
  const from = await ask(present);
  const to = await ask(installation);
  if (to.failure !== null) {
    // One that was here before may be somebody's way back, or in use.
    const isOurs = was === 'new' && (await sessionsFrom([installation], id, paths)).length === 0;
    if (isOurs) await removeEnvironment(installation);
    return refuse({ engine, from, to }, to.failure);
  }
  await useEnvironment(paths, id, installation);
  const removed = await removeOthers({ present, now: installation }, id, context);
  return { recipe: recipe.id, from, to, removed };
}

function refuse(
  { engine, from, to }: { readonly engine: Engine; readonly from: Probed; readonly to: Probed },
  failure: HyperLlamaError,
): never {
  const both =
    from.failure === null
      ? ''
      : ` (${from.version} did not answer either: the machine or the model may be why)`;
  const params = {
    engine: engine.name,
    id: engine.id,
    from: from.version,
    to: to.version,
    because: `${failure.message}${both}`,
  };
  return fail('HL_ENGINE_UPDATE_REFUSED', params, { engineLog: failure.engineLog });
}

function json({ failure, ...facts }: Probed): object {
  return { ...facts, failure: failure?.message ?? null };
}

/**
 * Every version before the new one but `present`, so that a rollback goes there and not to one that
 * was given up before; one that a session still uses stays until the next update.
 */
async function removeOthers(
  { present, now }: Readonly<Record<'present' | 'now', InstalledEnvironment>>,
  id: string,
  { paths }: Context,
): Promise<readonly string[]> {
  const all = await installedEnvironments(paths, id);
  const removed: string[] = [];
  for (const environment of all) {
    const isOlder = compareVersions(environment.version, now.version) < 0;
    if (!isOlder || environment.path === present.path) continue;
    if (environment.recipe !== present.recipe) continue;
    if ((await sessionsFrom([environment], id, paths)).length > 0) continue;
    await removeEnvironment(environment);
    removed.push(environment.path);
  }
  return removed;
}

async function printUpdate(engine: Engine, update: Updated, { output }: Context): Promise<void> {
  const { recipe, from, to, removed } = update;
  output.text(
    `updated ${engine.name} (${recipe}): ${to.version} is in use, ${from.version} is kept\n`,
  );
  const cells = [from, to].map(({ version, startMs, tokensPerSecond, failure }) => [
    version,
    startMs === null ? '-' : startMs === 0 ? 'joined a running engine' : formatDuration(startMs),
    tokensPerSecond === null ? '-' : `${tokensPerSecond.toFixed(1)} tok/s`,
    failure?.message ?? '',
  ]);
  output.text(await output.table(['VERSION', 'START', 'DECODE', ''], cells));
  for (const path of removed) output.text(`removed ${path}\n`);
  output.note(' one answer each, to see that it works: `hyperllama bench` compares speeds');
  output.note(` \`hyperllama engines rollback ${engine.id}\` goes back`);
}
