/**
 * The whole story on one screen: a machine, a model and a workload become a decision, a plan and a
 * session. Every step can be read in the folder it is imported from.
 */
import type { Context } from './base/context.ts';
import { decide, decideDriven, type Decision } from './decision/decide.ts';
import { insteadOfInstall } from './decision/reasons.ts';
import { ENGINES } from './engines/all.gen.ts';
import type { Engine, Installation, LaunchPlan } from './engines/engine.ts';
import { namedModel } from './engines/shared/attached.ts';
import { detectMachine } from './hardware/detect.ts';
import type { Machine } from './hardware/machine.ts';
import { shareOf } from './hardware/share.ts';
import { withOutsideEngines } from './launch/engine-set.ts';
import { findInstallations, installationFor } from './launch/installations.ts';
import { prepareGuard } from './launch/guard-process.ts';
import type { LedgerEntry } from './launch/ledger.ts';
import { isRunning, machineWithout, sessionsOf } from './launch/running.ts';
import type { Session } from './launch/session.ts';
import type { StartLimits } from './launch/start.ts';
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
  /** Plan for and start from this build of the asked engine, whichever is in use. */
  readonly installation?: Installation;
  /** Equal engines beside each other, each planned for its share of the machine; absent = 1. */
  readonly replicas?: number;
  /** A port is needed; absent = what the engine prefers. */
  readonly listen?: 'tcp';
  /** A smaller model that proposes tokens, as the user named it; absent = none. */
  readonly draft?: string;
  /** Path of a LoRA adapter that every answer is given with; absent = none. */
  readonly adapter?: string;
}

export interface Choice {
  readonly machine: Machine;
  readonly model: ModelInfo;
  readonly workload: Workload;
  readonly decision: Decision;
  /** Of the chosen engine; `null` = not installed. */
  readonly installation: Installation | null;
  readonly plan: LaunchPlan;
}

export interface Started {
  readonly choice: Choice;
  readonly session: Session;
  /** 0 for what was there already. */
  readonly spent: { readonly downloadMs: number; readonly installMs: number };
}

/**
 * machine + model + workload → decision → plan. Installs and starts nothing. `without`: sessions
 * that are counted as gone.
 */
export async function choose(
  wanted: Wanted,
  context: Context,
  without: readonly LedgerEntry[] = [],
): Promise<Choice> {
  const { workload, engineId, isToRun } = wanted;
  const engines = await knownEngines(context);
  const [whole, model, found] = await Promise.all([
    wanted.machine ?? thisMachine(context),
    modelOf(wanted, engines, context),
    // What is installed here says nothing about a recorded machine.
    wanted.machine === null ? findInstallations(engines, context) : new Map<string, Installation>(),
  ]);
  const installations =
    engineId === null || wanted.installation === undefined
      ? found
      : new Map([...found, [engineId, wanted.installation] as const]);
  const machine = shareOf(whole, wanted.replicas ?? 1);
  const sessions = wanted.machine === null ? await sessionsOf(model.ref, context.paths) : [];
  const running = sessions.map(({ about }) => about.engine);
  const asked = engineId === null ? {} : { engineId };
  const chooseOn = async (machine: Machine): Promise<Choice> => {
    const judge = isToRun ? decideDriven : decide;
    const decision = judge({ machine, model, workload, engines, installations, running, ...asked });
    const listen = wanted.listen === undefined ? {} : { listen: wanted.listen };
    const planFrom = (installation: Installation | null): Choice => {
      const input = { machine, model, workload, installation, ...listen };
      const plan = planLaunch(decision.engine, input, decision.verdict);
      return { machine, model, workload, decision, installation, plan };
    };
    const newest = installations.get(decision.engine.id) ?? null;
    const choice = planFrom(newest);
    if (wanted.installation !== undefined) return choice;
    const installation = await installationFor(choice.plan, newest, context.paths);
    return installation === newest ? choice : planFrom(installation);
  };
  const free = machineWithout(without, machine);
  if (sessions.length === 0) return await chooseOn(free);
  const joined = await chooseOn(machineWithout(sessions, machine));
  return isRunning(joined.plan, sessions) ? joined : await chooseOn(free);
}

async function modelOf(
  wanted: Wanted,
  engines: readonly Engine[],
  context: Context,
): Promise<ModelInfo> {
  const { draft, adapter } = wanted;
  const model = await bareModelOf(wanted, engines, context);
  if (draft === undefined && adapter === undefined) return model;
  const { describeAdapter, withCompanions } = await import('./models/companions.ts');
  return withCompanions(model, {
    draft: draft === undefined ? null : await describe(draft, context),
    adapter: adapter === undefined ? null : await describeAdapter(adapter, context.env),
  });
}

/** What lies on this machine says nothing about what somebody else's server serves. */
async function bareModelOf(
  { model, engineId }: Wanted,
  engines: readonly Engine[],
  context: Context,
): Promise<ModelInfo> {
  if (typeof model !== 'string') return model;
  const asked = engines.find(({ id }) => id === engineId);
  return asked?.custom?.kind === 'server' ? namedModel(model) : await describe(model, context);
}

/** plan → session: fetches what is missing, joins or starts the engine, proves a token. */
export async function start(
  wanted: Wanted,
  limits: StartLimits,
  context: Context,
): Promise<Started> {
  using spare = await prepareGuard(context);
  const first = await choose(wanted, context).catch(async (error: unknown) => {
    const { inPlaceOf } = await import('./launch/place.ts');
    const decideWithout = async (gone: readonly LedgerEntry[]): Promise<Choice> =>
      await choose(wanted, context, gone);
    return await inPlaceOf(error, decideWithout, context);
  });
  if (first.plan.attach !== undefined) {
    const { attach } = await import('./launch/attach.ts');
    const session = await attach({ engine: first.decision.engine, ...first }, limits, context);
    const choice = { ...first, plan: session.facts.plan };
    return { choice, session, spent: { downloadMs: 0, installMs: 0 } };
  }
  const { fetchMissing, startSession } = await import('./launch/start.ts');
  const instead = insteadOfInstall(first.decision.rejected);
  const lacking = { engine: first.decision.engine, ...first, ...instead };
  const spent = await fetchMissing(lacking, context);
  if (spent === null) {
    spare?.[Symbol.dispose]();
    const workload = { ...wanted.workload, device: 'cpu' as const };
    return await start({ ...wanted, workload }, limits, context);
  }
  const isChanged = spent.downloadMs > 0 || spent.installMs > 0;
  const choice = isChanged ? await choose(wanted, context) : first;
  const planned = { engine: choice.decision.engine, plan: choice.plan, spare };
  const from = wanted.installation === undefined ? {} : { environment: wanted.installation };
  const session = await startSession({ ...planned, ...from }, limits, context);
  return { choice, session, spent };
}

export async function knownEngines(
  context: Pick<Context, 'config' | 'env'>,
): Promise<readonly Engine[]> {
  return await withOutsideEngines(ENGINES, context);
}

export async function thisMachine(context: Context): Promise<Machine> {
  const { paths, env } = context;
  const signal = (): AbortSignal => context.signal;
  return await detectMachine({ dataPath: paths.data, cacheFolder: paths.cache, env, signal });
}

export async function describe(ref: string, context: Context): Promise<ModelInfo> {
  const { describeModel } = await import('./models/describe.ts');
  const { paths, env, config, signal } = context;
  const aliases = config.aliases.value;
  return await describeModel(ref, {
    dataFolder: paths.data,
    cacheFolder: paths.cache,
    env,
    aliases,
    signal,
  });
}
