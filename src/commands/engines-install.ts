/** `hyperllama engines install`: one engine into an environment of its own. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { formatBytes, formatDuration } from '../base/units.ts';
import type { EnvironmentRecipe, Service } from '../engines/engine.ts';
import { guideFor, recipeFor, recipeForMachine } from '../engines/shared/recipes.ts';
import { idleCards, machineReasons } from '../engines/shared/usable.ts';
import type { Machine } from '../hardware/machine.ts';
import { serviceFolderOf } from '../launch/engine-set.ts';
import {
  environmentFolder,
  installEnvironment,
  installedEnvironments,
  useEnvironment,
  type InstallResult,
} from '../launch/environment.ts';
import { InstallProgress } from '../launch/install-progress.ts';
import { preflight } from '../launch/preflight.ts';
import { thisMachine } from '../pipeline.ts';
import { findInstallable, type Installable } from './find-engine.ts';
import type { CommonOptions } from './shared.ts';

export interface InstallOptions extends CommonOptions {
  readonly device?: string;
}

export async function installEngine(
  id: string,
  options: InstallOptions,
  context: Context,
): Promise<void> {
  const engine = await findInstallable(id, context);
  const machine = await thisMachine(context);
  const recipe = chooseRecipe(engine, machine, options);
  const { output, paths } = context;
  const isFallback = options.device !== 'cpu' && recipe.when.devices.includes('cpu');
  for (const { because, hint } of isFallback ? idleCards(engine, machine) : []) {
    output.note(` ${engine.name} ${because}${hint === null ? '' : ` (${hint})`}`);
  }
  const wanted = { engine, recipe, machine };
  const { installation, durationMs, was } = await installRecipe(wanted, context);
  // Who asks for this version by its name gets it, also where an update had chosen another one.
  await useEnvironment(paths, id, installation);
  const { version, build, path } = installation;
  if (output.isJson) {
    const facts = { id, version, build, recipe: recipe.id, path, durationMs };
    return output.json({ schema: 'hyperllama.install/1', ...facts });
  }
  output.text(
    was === 'present'
      ? `${engine.name} ${version} is already installed: ${path}\n`
      : `installed ${engine.name} ${version} in ${formatDuration(durationMs)}: ${path}\n`,
  );
}

/** Checked, announced and installed with progress; what is there already is left as it is. */
export async function installRecipe(
  wanted: {
    readonly engine: Service;
    readonly recipe: EnvironmentRecipe;
    readonly machine: Machine;
  },
  context: Context,
): Promise<InstallResult> {
  const { engine, recipe } = wanted;
  const { output, paths, env, signal } = context;
  const folder = environmentFolder(paths, engine, recipe);
  const all = await installedEnvironments(paths, engine.id);
  const present = all.find(({ path }) => path === folder);
  if (present !== undefined) return { installation: present, durationMs: 0, was: 'present' };
  const python = await preflight(wanted, context);
  output.note(
    ` ${engine.name} ${engine.versionPinned} (${recipe.id}): ${formatBytes(recipe.bytesDownload)} to download, ${formatBytes(recipe.bytesOnDisk)} on disk`,
  );
  const serviceFolder = await serviceFolderOf(engine, env);
  const progress = new InstallProgress(context);
  const onEvent = progress.of(engine.name);
  return await installEnvironment(engine, recipe, {
    paths,
    python,
    serviceFolder,
    env,
    signal,
    onEvent,
  }).finally(() => progress.stop());
}

const WHAT_CAN_RUN = '`hyperllama engines` shows which engines can run here';

function chooseRecipe(
  engine: Installable,
  machine: Machine,
  { device }: InstallOptions,
): EnvironmentRecipe {
  if (device !== undefined && device !== 'cpu' && device !== 'auto') {
    fail('HL_OPTION_INVALID', { option: '--device', value: device, expected: 'cpu or auto' });
  }
  const recipe =
    device === 'cpu' ? recipeFor(engine, machine, 'cpu') : recipeForMachine(engine, machine);
  return recipe ?? refuseInstall(engine, machine);
}

/** The machine's fault comes before ours. @throws HL_ENGINE_UNUSABLE, HL_ENGINE_NOT_DRIVEN, HL_ENGINE_INSTALL_FAILED */
export function refuseInstall(engine: Installable, machine: Machine): never {
  const { id, name } = engine;
  const reasons = machineReasons(engine, machine);
  if (reasons.length > 0) {
    const hint = reasons.find((reason) => reason.hint !== null)?.hint ?? WHAT_CAN_RUN;
    fail('HL_ENGINE_UNUSABLE', { engine: name, recipe: null, reasons, hint });
  }
  const guide = guideFor(engine, machine);
  if (guide !== null) {
    const { because } = guide;
    const hint = `${guide.hint}; \`hyperllama plan MODEL --engine ${id}\` prints the command that serves`;
    fail('HL_ENGINE_INSTALL_FAILED', { engine: name, id, because, hint });
  }
  if (!engine.isDriven) fail('HL_ENGINE_NOT_DRIVEN', { engine: name, alternative: null });
  const because = `this version has no build of it for ${machine.os.platform ?? 'this system'}`;
  return fail('HL_ENGINE_UNUSABLE', {
    engine: name,
    recipe: null,
    reasons: [{ because, hint: null }],
  });
}
