/** Answers: how does a plan become a session? Fetches what is missing, then joins or starts it. */
import { join } from 'node:path';
import type { Context } from '../base/context.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { Installation, LaunchPlan, Service } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';
import { serviceFolderOf } from './engine-set.ts';
import { environmentOf, environmentPython } from './environment.ts';
import { rememberGuard, type SpareGuard } from './guard-process.ts';
import { launch } from './launch.ts';
import { reapDeadSessions } from './ledger.ts';
import { provision, type Spent } from './provision.ts';
import { lastStartMs, rememberStart } from './last-start.ts';
import type { Session } from './session.ts';

export interface StartLimits {
  /** How long the engine stays when its last user has gone. */
  readonly keepAliveMs: number;
  /** Longest start; `null` = the plan's own. */
  readonly startDeadlineMs: number | null;
  /** Where a plan that wants a port has to listen; absent = any free one. */
  readonly port?: number;
}

/** What the plan still lacks here, fetched. `null`: go on with the CPU build instead. */
export async function fetchMissing(
  planned: {
    readonly engine: Service;
    readonly plan: LaunchPlan;
    readonly machine: Machine;
    readonly instead?: string;
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
    readonly engine: Service;
    readonly plan: LaunchPlan;
    /** Absent = the one that the plan was made for. */
    readonly environment?: Installation;
    /** `null` = none was started; absent = this start says nothing of what the next will need. */
    readonly spare?: SpareGuard | null;
  },
  limits: StartLimits,
  context: Context,
): Promise<Session> {
  const { engine, plan } = planned;
  // An engine without its guard holds the memory that this start needs.
  const { failure } = await reapDeadSessions(context.paths, context.python);
  if (failure !== null)
    context.log.warn('dead sessions could not be cleared', { because: failure });
  const environment =
    plan.executable === null ? (planned.environment ?? (await plannedFor(planned, context))) : null;
  const python =
    environment === null ? (await context.python()).executable : environmentPython(environment);
  const service = join(await serviceFolderOf(engine, context.env), 'service.py');
  const progress = context.output.progress();
  const lastMs = await lastStartMs(context.paths, plan);
  const estimate = lastMs === null ? '' : `, ${formatDuration(lastMs)} the last time`;
  let current = '';
  try {
    const session = await launch(plan, {
      engine,
      paths: context.paths,
      python,
      service,
      engineCacheFolder: join(environment?.path ?? context.paths.cache, 'cache'),
      keepAliveMs: limits.keepAliveMs,
      startDeadlineMs: limits.startDeadlineMs,
      ...(limits.port === undefined ? {} : { port: limits.port }),
      env: context.env,
      spare: planned.spare ?? null,
      signal: context.signal,
      log: context.log,
      onPhase: (phase, detail, fraction) => {
        const words = phase === 'start' ? `${detail}${estimate}` : detail;
        if (phase !== current) progress.phase(phase, words);
        else progress.update(words, fraction);
        current = phase;
      },
    });
    await rememberStart(context.paths, plan, session.facts.startMs);
    if (planned.spare !== undefined) await rememberGuard(context.paths, { python, service });
    // Whoever started it may have wanted less, or more: its guard says how long it stays.
    if (limits.keepAliveMs > 0) await session.keepAlive(limits.keepAliveMs);
    return session;
  } finally {
    progress.stop();
  }
}

/** @throws HL_ENGINE_NOT_INSTALLED: another command took it away */
async function plannedFor(
  { engine, plan }: { readonly engine: Service; readonly plan: LaunchPlan },
  { paths }: Context,
): Promise<Installation> {
  const environment = await environmentOf(paths, plan);
  if (environment !== null) return environment;
  const build = `version ${plan.engine.version} (${plan.recipe ?? 'no recipe'})`;
  return fail('HL_ENGINE_NOT_INSTALLED', {
    engine: engine.name,
    id: engine.id,
    because: `${build}, which the plan was made for, is not here any more`,
    hint: 'run the command again: it plans with what is here',
  });
}
