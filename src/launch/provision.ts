/**
 * Answers: what a plan still lacks on this machine, and fetches it: the engine's environment and
 * the model's file, both at once, with progress.
 */
import type { Context } from '../base/context.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import type { InstallEvent } from '../base/installer.ts';
import { formatBytesOf } from '../base/output.ts';
import { formatBytes } from '../base/units.ts';
import type { Service, EnvironmentRecipe, LaunchPlan } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';
import { fetchableArtifact, hubDownloadCommand } from '../models/catalog.ts';
import { pullModel } from '../models/pull.ts';
import { hubFolder } from '../models/store-hub.ts';
import { askFirst, refuseFullDisk } from './preflight.ts';
import { chooseRecipe, environmentOf, installEnvironment } from './environment.ts';

export interface Lacking {
  readonly engine: Service;
  /** Folder with the engine's `service.py` and locks. */
  readonly serviceFolder: string;
  readonly plan: LaunchPlan;
  readonly machine: Machine;
}

/** How long each part took; 0 for what was there. */
export interface Spent {
  readonly downloadMs: number;
  readonly installMs: number;
}

/**
 * @throws HL_OFFLINE, HL_DISK_FULL, HL_ENGINE_INSTALL_FAILED, HL_ENGINE_GPU_BUILD_MISSING,
 *   HL_MODEL_NOT_LOCAL, HL_DOWNLOAD_FAILED
 */
export async function provision(lacking: Lacking, context: Context): Promise<Spent> {
  const recipe = await missingRecipe(lacking, context);
  const needsModel = lacking.plan.model.artifact.path === null;
  if (recipe === null && !needsModel) return { downloadMs: 0, installMs: 0 };
  // One fails: the other is stopped too, and neither is left running behind the error.
  const both = new AbortController();
  const signal = AbortSignal.any([context.signal, both.signal]);
  // Before any word of a download: without a Python there is none.
  const python = await context.python();
  if (needsModel) refuseUnfetchable(lacking.plan, context);
  if (recipe !== null) {
    await context.python(lacking.engine.requirements.pythonMin);
    refuseFullDisk(recipe, lacking.machine);
    await askFirst(lacking.engine, recipe, context.consent);
  }
  announce(lacking, recipe, context);
  const progress = new Progresses(context);
  const jobs = [
    recipe === null
      ? Promise.resolve(0)
      : install(lacking, recipe, { context, python, signal, onEvent: progress.of('engine') }),
    needsModel
      ? fetchModel(lacking, { context, python, signal, onEvent: progress.of('model') })
      : Promise.resolve(0),
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
  readonly python: Awaited<ReturnType<Context['python']>>;
  readonly signal: AbortSignal;
  readonly onEvent: (event: InstallEvent) => void;
}

async function install(lacking: Lacking, recipe: EnvironmentRecipe, job: Job): Promise<number> {
  const { engine, serviceFolder, plan, machine } = lacking;
  const { context, signal, onEvent } = job;
  try {
    const { durationMs } = await installEnvironment(engine, recipe, {
      paths: context.paths,
      python: await context.python(engine.requirements.pythonMin),
      serviceFolder,
      env: context.env,
      signal,
      onEvent,
    });
    return durationMs;
  } catch (error) {
    const isIndexAway =
      recipe.index !== null &&
      error instanceof HyperLlamaError &&
      (error.code === 'HL_OFFLINE' || error.code === 'HL_ENGINE_INSTALL_FAILED');
    if (!isIndexAway) throw error;
    const used = machine.accelerators.filter(({ index }) => plan.accelerators.includes(index));
    return fail(
      'HL_ENGINE_GPU_BUILD_MISSING',
      {
        engine: engine.name,
        accelerator: used.map(({ name }) => name).join(', ') || 'the accelerator',
        because: `its package index could not be used: ${error.message}`,
      },
      { cause: error },
    );
  }
}

async function fetchModel({ plan }: Lacking, job: Job): Promise<number> {
  const { context, python, signal, onEvent } = job;
  const pulled = await pullModel(plan.model.ref, {
    dataFolder: context.paths.data,
    python,
    env: context.env,
    signal,
    onEvent,
  });
  return pulled?.durationMs ?? 0;
}

/** Said before an engine is installed for nothing. @throws HL_MODEL_NOT_LOCAL */
function refuseUnfetchable({ model }: LaunchPlan, { paths, env }: Context): void {
  const { ref, artifact } = model;
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
    chooseRecipe(engine, machine, plan.device)
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
  const fetchable = plan.model.artifact.path === null ? fetchableArtifact(plan.model.ref) : null;
  if (fetchable !== null) {
    const size = formatBytes(fetchable.bytesDownload);
    context.output.note(
      ` download ${plan.model.name}: ${size}, a small model for trying things out`,
    );
  }
}

/** Two installs, one line: the bytes of both. */
class Progresses {
  readonly #progress: ReturnType<Context['output']['progress']>;
  readonly #bytes = new Map<string, { bytes: number; bytesTotal: number | null }>();
  #phase = '';

  constructor({ output }: Context) {
    this.#progress = output.progress();
  }

  of(name: string): (event: InstallEvent) => void {
    return (event) => {
      if (event.event === 'waiting') this.#enter('wait', 'for another install to finish');
      if (event.event === 'phase') this.#enter(event.name, name);
      if (event.event === 'progress') this.#bytes.set(name, event);
      if (event.event === 'installed') this.#bytes.delete(name);
      if (event.event === 'progress') this.#draw();
    };
  }

  stop(): void {
    this.#progress.stop();
  }

  #enter(phase: string, detail: string): void {
    if (phase !== this.#phase) this.#progress.phase(phase, detail);
    this.#phase = phase;
  }

  #draw(): void {
    let [bytes, bytesTotal]: [number, number | null] = [0, 0];
    for (const part of this.#bytes.values()) {
      bytes += part.bytes;
      bytesTotal =
        part.bytesTotal === null || bytesTotal === null ? null : bytesTotal + part.bytesTotal;
    }
    const fraction =
      bytesTotal === null || bytesTotal === 0 ? null : Math.min(1, bytes / bytesTotal);
    this.#progress.update(formatBytesOf(bytes, bytesTotal), fraction);
  }
}
