/**
 * Answers: what a plan still lacks on this machine, and fetches it: the engine's environment and
 * the model's file, both at once, with progress.
 */
import type { Context } from '../base/context.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import type { InstallEvent } from '../base/installer.ts';
import type { Python } from '../base/python.ts';
import { formatBytes } from '../base/units.ts';
import type { EnvironmentRecipe, LaunchPlan, PlannedModel, Service } from '../engines/engine.ts';
import { artifactName } from '../engines/shared/artifacts.ts';
import { recipeFor } from '../engines/shared/recipes.ts';
import type { Machine } from '../hardware/machine.ts';
import { fetchableArtifact, hubDownloadCommand } from '../models/catalog.ts';
import { converterBytesMissing } from '../models/convert.ts';
import { fileIfHere, pullModel } from '../models/pull.ts';
import { hubFolder } from '../models/store-hub.ts';
import { environmentOf, installEnvironment } from './environment.ts';
import { InstallProgress } from './install-progress.ts';
import { askFirst, preflight, refuseFullDisk } from './preflight.ts';

export interface Lacking {
  readonly engine: Service;
  /** Folder with the engine's `service.py` and locks. */
  readonly serviceFolder: string;
  readonly plan: LaunchPlan;
  readonly machine: Machine;
  /** Said with the question about an install. */
  readonly instead?: string;
}

/** How long each part took; 0 for what was there. */
export interface Spent {
  readonly downloadMs: number;
  readonly installMs: number;
}

/**
 * @throws HL_OFFLINE, HL_DISK_FULL, HL_PYTHON_TOO_OLD, HL_PYTHON_TOO_NEW, HL_ENGINE_UNUSABLE,
 *   HL_ENGINE_INSTALL_FAILED, HL_ENGINE_GPU_BUILD_MISSING, HL_MODEL_NOT_LOCAL, HL_DOWNLOAD_FAILED
 */
export async function provision(lacking: Lacking, context: Context): Promise<Spent> {
  const recipe = await missingRecipe(lacking, context);
  const models = missingModels(lacking.plan);
  if (recipe === null && models.length === 0) return { downloadMs: 0, installMs: 0 };
  // Before any word of a download: without a Python there is none.
  const python = await context.python();
  for (const model of models) refuseUnfetchable(model, context);
  const { engine, machine } = lacking;
  const bytesBeside = models.reduce((sum, model) => sum + bytesMissing(model, context), 0);
  if (recipe === null) refuseFullDisk(machine, bytesBeside);
  const enginePython =
    recipe === null ? python : await preflight({ engine, recipe, machine, bytesBeside }, context);
  const { instead } = lacking;
  const asked = { consent: context.consent, ...(instead === undefined ? {} : { instead }) };
  if (recipe !== null) await askFirst(engine, recipe, asked);
  announce(lacking, recipe, context);
  // One fails: the other is stopped too, and neither is left running behind the error.
  const both = new AbortController();
  const signal = AbortSignal.any([context.signal, both.signal]);
  const progress = new InstallProgress(context);
  const job = (name: string, of: Python): Job => ({
    context,
    python: of,
    signal,
    onEvent: progress.of(name),
  });
  const jobs = [
    recipe === null ? Promise.resolve(0) : install(lacking, recipe, job(engine.name, enginePython)),
    fetchModels(models, (model) => job(model.name, python)),
  ] as const;
  try {
    const [installMs, downloadMs] = await Promise.all(jobs);
    return { installMs, downloadMs };
  } catch (error) {
    both.abort();
    await Promise.allSettled(jobs);
    throw error;
  } finally {
    progress.stop();
  }
}

interface Job {
  readonly context: Context;
  readonly python: Python;
  readonly signal: AbortSignal;
  readonly onEvent: (event: InstallEvent) => void;
}

async function install(lacking: Lacking, recipe: EnvironmentRecipe, job: Job): Promise<number> {
  const { engine, serviceFolder } = lacking;
  const { context, python, signal, onEvent } = job;
  const { paths, env } = context;
  try {
    const options = { paths, python, serviceFolder, env, signal, onEvent };
    return (await installEnvironment(engine, recipe, options)).durationMs;
  } catch (error) {
    throw explainMissing(error, lacking, recipe);
  }
}

/** Where only the index of the GPU build is away, the CPU build may still be had. */
function explainMissing(
  error: unknown,
  { engine, machine, plan }: Lacking,
  recipe: EnvironmentRecipe,
): unknown {
  const isOffline = error instanceof HyperLlamaError && error.code === 'HL_OFFLINE';
  const hasCpuBuild = recipeFor(engine, machine, 'cpu')?.index === null;
  if (!isOffline || recipe.index === null || !hasCpuBuild) return error;
  const used = machine.accelerators.filter(({ index }) => plan.accelerators.includes(index));
  return new HyperLlamaError(
    'HL_ENGINE_GPU_BUILD_MISSING',
    {
      engine: engine.name,
      accelerator: used.map(({ name }) => name).join(', ') || 'the accelerator',
      because: `its package index cannot be reached: ${String(error.details['because'])}`,
      program: engine.programs === undefined ? null : `engines.${engine.id}.server`,
    },
    { cause: error },
  );
}

/** The model, its draft or both. */
function missingModels({ model, draft }: LaunchPlan): readonly PlannedModel[] {
  return [model, ...(draft === null ? [] : [draft])].filter(
    ({ artifact }) => artifact.path === null,
  );
}

/** Room for a model that is fetched: the file, what it is taken from, what is made of it. */
function bytesMissing({ ref, artifact }: PlannedModel, { paths }: Context): number {
  const fetchable = fetchableArtifact(ref);
  if (fetchable === null) return 0;
  const isFileHere = fileIfHere(fetchable, paths.data) !== null;
  const fetched = isFileHere ? 0 : fetchable.bytesDownload + fetchable.bytesOnDisk;
  if (artifact.origin !== 'conversion') return fetched;
  return fetched + converterBytesMissing(paths.data) + (artifact.bytesOnDisk ?? 0);
}

/** One after the other: both may be made from one file. */
async function fetchModels(
  models: readonly PlannedModel[],
  jobOf: (model: PlannedModel) => Job,
): Promise<number> {
  let durationMs = 0;
  for (const model of models) {
    const { context, python, signal, onEvent } = jobOf(model);
    const { paths, env } = context;
    const options = { dataFolder: paths.data, python, env, signal, onEvent };
    durationMs += (await pullModel(model.ref, model.artifact, options))?.durationMs ?? 0;
  }
  return durationMs;
}

/** Said before an engine is installed for nothing. @throws HL_MODEL_NOT_LOCAL */
function refuseUnfetchable({ ref, artifact }: PlannedModel, { paths, env }: Context): void {
  if (fetchableArtifact(ref) !== null) return;
  const command = hubDownloadCommand(ref, artifact);
  fail('HL_MODEL_NOT_LOCAL', {
    ref,
    looked: `${hubFolder(env)}\` and \`${paths.data}/models`,
    ...(command === null ? {} : { hint: `fetch it with \`${command}\` and run the command again` }),
  });
}

/** The recipe to install: the plan wants an environment and there is none of that kind. */
async function missingRecipe(
  { engine, plan, machine }: Lacking,
  { paths }: Context,
): Promise<EnvironmentRecipe | null> {
  if (plan.executable !== null) return null;
  if (plan.recipe === null) {
    const because = `this version has no build of it for ${plan.device} on this system`;
    return fail('HL_ENGINE_INSTALL_FAILED', { engine: engine.name, id: engine.id, because });
  }
  if ((await environmentOf(paths, plan)) !== null) return null;
  return (
    engine.environments.find(({ id }) => id === plan.recipe) ??
    recipeFor(engine, machine, plan.device)
  );
}

/** The embedded engine and the demo model come without a question, but not without a word. */
function announce(lacking: Lacking, recipe: EnvironmentRecipe | null, context: Context): void {
  const { engine, plan } = lacking;
  if (recipe !== null) {
    const size = `${formatBytes(recipe.bytesDownload)} to download, ${formatBytes(recipe.bytesOnDisk)} on disk`;
    context.output.note(
      ` install ${engine.name} ${engine.versionPinned} (${recipe.id}): ${size}, into \`${context.paths.data}\``,
    );
  }
  for (const model of missingModels(plan)) announceModel(model, context);
}

function announceModel({ name, ref, artifact }: PlannedModel, context: Context): void {
  const fetchable = fetchableArtifact(ref);
  if (fetchable === null) return;
  if (fileIfHere(fetchable, context.paths.data) === null) {
    const size = formatBytes(fetchable.bytesDownload);
    context.output.note(` download ${name}: ${size}, a small model for trying things out`);
  }
  if (artifact.origin !== 'conversion' || artifact.bytesOnDisk === null) return;
  const bytesMissing = converterBytesMissing(context.paths.data);
  if (bytesMissing > 0) {
    context.output.note(` download the converter: ${formatBytes(bytesMissing)}`);
  }
  context.output.note(
    ` convert ${name} to ${artifactName(artifact)}: ${formatBytes(artifact.bytesOnDisk)} on disk`,
  );
}
