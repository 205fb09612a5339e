/**
 * The whole story on one screen: a machine, a model and a workload become a decision, a plan and a
 * session. Every step can be read in the folder it is imported from.
 */
import type { Context } from './base/context.ts';
import { HyperLlamaError } from './base/errors.ts';
import { decide, decideDriven, type Decision } from './decision/decide.ts';
import { ENGINES } from './engines/all.gen.ts';
import type { Engine, Installation, LaunchPlan } from './engines/engine.ts';
import { detectMachine } from './hardware/detect.ts';
import type { Machine } from './hardware/machine.ts';
import { environmentPython, serviceFolder } from './launch/environment.ts';
import { findInstallations } from './launch/installations.ts';
import type { Session } from './launch/session.ts';
import { describeModel } from './models/describe.ts';
import type { ModelInfo } from './models/model.ts';
import { planLaunch } from './plan/plan.ts';
import type { Workload } from './workloads/workload.ts';

export interface Wanted {
  /** The model as the user named it, or a described one. */
  readonly model: string | ModelInfo;
  readonly workload: Workload;
  /** `--engine`; `null` = decide. */
  readonly engineId: string | null;
  /** Choose among the engines this version can start. */
  readonly isToRun: boolean;
  /** `--machine FILE`: a recorded machine; `null` = this one. */
  readonly machine: Machine | null;
}

export interface Choice {
  readonly machine: Machine;
  readonly model: ModelInfo;
  readonly workload: Workload;
  readonly installations: ReadonlyMap<string, Installation>;
  readonly decision: Decision;
  readonly plan: LaunchPlan;
}

export interface Started {
  readonly choice: Choice;
  readonly session: Session;
  /** 0 for what was there already. */
  readonly spent: { readonly downloadMs: number; readonly installMs: number };
}

/** machine + model + workload → decision → plan. Installs and starts nothing. */
export async function choose(wanted: Wanted, context: Context): Promise<Choice> {
  const engines = await knownEngines(context);
  const [machine, model, installations] = await Promise.all([
    wanted.machine ?? thisMachine(context),
    typeof wanted.model === 'string' ? describe(wanted.model, context) : wanted.model,
    wanted.machine === null ? findInstallations(engines, context) : new Map<string, Installation>(),
  ]);
  const { workload, engineId, isToRun } = wanted;
  const asked = engineId === null ? {} : { engineId };
  const judge = isToRun ? decideDriven : decide;
  const decision = judge({ machine, model, workload, engines, installations, ...asked });
  const installation = installations.get(decision.engine.id) ?? null;
  const input = { machine, model, workload, installation };
  const plan = planLaunch(decision.engine, input, decision.verdict);
  return { machine, model, workload, installations, decision, plan };
}

/** plan → session: fetches what is missing, joins or starts the engine, proves a token. */
export async function start(
  wanted: Wanted,
  limits: { readonly keepAliveMs: number; readonly startDeadlineMs: number | null },
  context: Context,
): Promise<Started> {
  const { reapDeadSessions } = await import('./launch/ledger.ts');
  await reapDeadSessions(context.paths, context.python);
  const first = await choose(wanted, context);
  const { decision, installations, plan, machine } = first;
  const engine = decision.engine;
  const installation = installations.get(engine.id) ?? null;
  const folder = await serviceFolderOf(engine, context);
  const { provision } = await import('./launch/provision.ts');
  const lacking = { engine, serviceFolder: folder, installation, plan, machine };
  const spent = await provision(lacking, context).catch(async (error: unknown) => {
    if (!(await isCpuWelcome(error, context))) throw error;
    return null;
  });
  if (spent === null) {
    return await start(
      { ...wanted, workload: { ...wanted.workload, device: 'cpu' } },
      limits,
      context,
    );
  }
  const isChanged = spent.downloadMs > 0 || spent.installMs > 0;
  const choice = isChanged ? await choose(wanted, context) : first;
  const session = await launchChoice(choice, { ...limits, folder }, context);
  return { choice, session, spent };
}

async function launchChoice(
  { decision, installations, plan }: Choice,
  options: { keepAliveMs: number; startDeadlineMs: number | null; folder: string },
  context: Context,
): Promise<Session> {
  const { launch } = await import('./launch/launch.ts');
  const installation = installations.get(decision.engine.id);
  const isOurs = plan.executable === null && installation !== undefined;
  const python = isOurs ? environmentPython(installation) : (await context.python()).executable;
  const progress = context.output.progress();
  try {
    return await launch(plan, {
      engine: decision.engine,
      paths: context.paths,
      python,
      service: `${options.folder}/service.py`,
      keepAliveMs: options.keepAliveMs,
      startDeadlineMs: options.startDeadlineMs,
      env: context.env,
      signal: context.signal,
      log: context.log,
      onPhase: reportPhases(progress),
    });
  } finally {
    progress.stop();
  }
}

/** The GPU build cannot be had: go on with the CPU only where somebody says so. */
async function isCpuWelcome(error: unknown, context: Context): Promise<boolean> {
  if (!(error instanceof HyperLlamaError) || error.code !== 'HL_ENGINE_GPU_BUILD_MISSING')
    return false;
  return await context.consent(`${error.message}. Go on with the CPU build?`);
}

function reportPhases(
  progress: ReturnType<Context['output']['progress']>,
): (phase: string, detail: string, fraction: number | null) => void {
  let current = '';
  return (phase, detail, fraction) => {
    if (phase !== current) progress.phase(phase, detail);
    else progress.update(detail, fraction);
    current = phase;
  };
}

export async function thisMachine({ paths, env, signal }: Context): Promise<Machine> {
  return await detectMachine({ dataPath: paths.data, cacheFolder: paths.cache, env, signal });
}

export async function describe(
  ref: string,
  { paths, env, config, signal }: Context,
): Promise<ModelInfo> {
  const aliases = config.aliases.value;
  return await describeModel(ref, {
    dataFolder: paths.data,
    cacheFolder: paths.cache,
    env,
    aliases,
    signal,
  });
}

/** All engines; tests add theirs as a module that exports `engine` and `serviceFolder`. */
export async function knownEngines(context: Context): Promise<readonly Engine[]> {
  const test = await testEngine(context);
  return test === null ? ENGINES : [...ENGINES, test.engine];
}

export async function serviceFolderOf(engine: Engine, context: Context): Promise<string> {
  const test = await testEngine(context);
  return test?.engine.id === engine.id ? test.serviceFolder : serviceFolder(engine);
}

async function testEngine({
  env,
}: Context): Promise<{ engine: Engine; serviceFolder: string } | null> {
  const module = env['HYPERLLAMA_TEST_ENGINE'];
  if (module === undefined || module === '') return null;
  const { pathToFileURL } = await import('node:url');
  return (await import(pathToFileURL(module).href)) as { engine: Engine; serviceFolder: string };
}
