/** Answers: how does a plan become a session? Fetches what is missing, then joins or starts it. */
import type { Context } from '../base/context.ts';
import { HyperLlamaError } from '../base/errors.ts';
import type { Engine, Installation, LaunchPlan } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';
import { serviceFolderOf } from './engine-set.ts';
import { environmentPython } from './environment.ts';
import { launch } from './launch.ts';
import { reapDeadSessions } from './ledger.ts';
import { provision, type Spent } from './provision.ts';
import type { Session } from './session.ts';

export interface StartLimits {
  /** How long the engine stays when its last user has gone. */
  readonly keepAliveMs: number;
  /** Longest start; `null` = the plan's own. */
  readonly startDeadlineMs: number | null;
}

/** What the plan still lacks here, fetched. `null`: go on with the CPU build instead. */
export async function fetchMissing(
  planned: {
    readonly engine: Engine;
    readonly plan: LaunchPlan;
    readonly installation: Installation | null;
    readonly machine: Machine;
  },
  context: Context,
): Promise<Spent | null> {
  const serviceFolder = await serviceFolderOf(planned.engine, context.env);
  try {
    return await provision({ ...planned, serviceFolder }, context);
  } catch (error) {
    const isGpuBuildMissing =
      error instanceof HyperLlamaError && error.code === 'HL_ENGINE_GPU_BUILD_MISSING';
    if (!isGpuBuildMissing) throw error;
    if (await context.consent(`${error.message}. Go on with the CPU build?`)) return null;
    throw error;
  }
}

export async function startSession(
  planned: {
    readonly engine: Engine;
    readonly plan: LaunchPlan;
    readonly installation: Installation | null;
  },
  limits: StartLimits,
  context: Context,
): Promise<Session> {
  const { engine, plan, installation } = planned;
  // An engine without its guard holds the memory that this start needs.
  await reapDeadSessions(context.paths, context.python);
  const isOurs = plan.executable === null && installation !== null;
  const python = isOurs ? environmentPython(installation) : (await context.python()).executable;
  const progress = context.output.progress();
  let current = '';
  try {
    return await launch(plan, {
      engine,
      paths: context.paths,
      python,
      service: `${await serviceFolderOf(engine, context.env)}/service.py`,
      keepAliveMs: limits.keepAliveMs,
      startDeadlineMs: limits.startDeadlineMs,
      env: context.env,
      signal: context.signal,
      log: context.log,
      onPhase: (phase, detail, fraction) => {
        if (phase !== current) progress.phase(phase, detail);
        else progress.update(detail, fraction);
        current = phase;
      },
    });
  } finally {
    progress.stop();
  }
}
