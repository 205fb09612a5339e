/**
 * Answers: which build of each engine would be started: one named in the configuration, else our
 * own environment, else a program on PATH that is new enough.
 */
import { join } from 'node:path';
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { locateProgram, programStamp } from '../base/fs.ts';
import type { Paths } from '../base/paths.ts';
import { readState, writeCache } from '../base/state.ts';
import type { Engine, Installation, LaunchPlan, ProgramSupport } from '../engines/engine.ts';
import { environmentsInUse } from './environment.ts';

/** Loading shared libraries of a GPU build from a cold disk. */
const PROGRAM_DEADLINE_MS = 15_000;
/** Key under `engines.<id>` that names a program. */
const PROGRAM_KEY = 'server';

/** @throws HL_CONFIG_INVALID when a configured program is missing or too old */
export async function findInstallations(
  engines: readonly Engine[],
  context: Context,
): Promise<ReadonlyMap<string, Installation>> {
  const found = await Promise.all(
    engines
      .filter((engine) => engine.isDriven)
      .map(async (engine) => [engine.id, await findInstallation(engine, context)] as const),
  );
  return new Map(found.flatMap(([id, found]) => (found === null ? [] : [[id, found] as const])));
}

/**
 * What a plan starts from, where `found` was looked at before there was one: the environment of its
 * recipe, because a build for the CPU and one for a GPU may lie side by side.
 */
export async function installationFor(
  plan: LaunchPlan,
  found: Installation | null,
  paths: Paths,
): Promise<Installation | null> {
  if (plan.recipe === null || found === null || found.recipe === plan.recipe) return found;
  const all = await environmentsInUse(paths, plan.engine.id);
  return all.find(({ recipe }) => recipe === plan.recipe) ?? null;
}

async function findInstallation(engine: Engine, context: Context): Promise<Installation | null> {
  const configured = context.config.engines.value[engine.id]?.[PROGRAM_KEY];
  const program = engine.programs?.[0];
  if (configured !== undefined && program !== undefined) {
    return await configuredProgram(configured, program, context);
  }
  const [environment] = await environmentsInUse(context.paths, engine.id);
  if (environment !== undefined) return environment;
  for (const support of engine.programs ?? []) {
    const file = locateProgram(support.name, context.env['PATH'] ?? '');
    const asked = file === null ? null : await askProgram(file, support, context);
    if (asked !== null && asked.refusal === null) return asked.installation;
  }
  return null;
}

async function configuredProgram(
  file: string,
  support: ProgramSupport,
  context: Context,
): Promise<Installation> {
  const asked = await askProgram(file, support, context);
  if (asked !== null && asked.refusal === null) return asked.installation;
  const because = asked === null ? 'does not run, or is no such program' : asked.refusal;
  return fail('HL_CONFIG_INVALID', {
    file: context.config.engines.origin,
    problem: `the program \`${file}\` ${because}`,
  });
}

interface Asked {
  readonly installation: Installation;
  readonly refusal: string | null;
}

/** What the program says of itself; remembered until the file changes. */
async function askProgram(
  file: string,
  support: ProgramSupport,
  context: Context,
): Promise<Asked | null> {
  const stamp = programStamp(file);
  if (stamp === null) return null;
  const cacheFile = join(context.paths.cache, 'programs.json');
  const cache = ((await readState(cacheFile)) ?? {}) as Readonly<Record<string, Asked>>;
  const known = cache[`${file}:${stamp}`];
  if (known !== undefined) return known;
  const { runCommand } = await import('../base/exec.ts');
  const ask = async (args: readonly string[]): Promise<string | null> => {
    const result = await runCommand(file, args, {
      deadlineMs: PROGRAM_DEADLINE_MS,
      env: context.env,
    });
    return result.kind === 'exited' && result.code === 0 ? result.stdout + result.stderr : null;
  };
  const [about, devices] = await Promise.all([ask(support.versionArgs), ask(support.devicesArgs)]);
  const read = about === null ? null : support.readVersion(about, devices ?? '');
  if (read === null) return null;
  const { version, refusal } = read;
  const installation: Installation = {
    version,
    build: support.name,
    recipe: null,
    path: file,
    devices: read.devices,
  };
  const asked: Asked = { installation, refusal };
  await writeCache(cacheFile, { ...cache, [`${file}:${stamp}`]: asked });
  return asked;
}
