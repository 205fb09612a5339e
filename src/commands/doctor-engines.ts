/**
 * Answers: what each engine still lacks on this machine, and whether what is installed works. An
 * engine that is not installed breaks nothing: what it lacks is told, not counted as wrong.
 */
import type { Context } from '../base/context.ts';
import { toHyperLlamaError } from '../base/errors.ts';
import { runCommand, type CommandResult } from '../base/exec.ts';
import { formatBytes, formatDuration } from '../base/units.ts';
import type { CustomSource, Engine } from '../engines/engine.ts';
import { guideFor, recipeForMachine } from '../engines/shared/recipes.ts';
import { idleCards, machineReasons, programReasons } from '../engines/shared/usable.ts';
import type { Machine } from '../hardware/machine.ts';
import { serviceFolderOf } from '../launch/engine-set.ts';
import {
  environmentPython,
  environmentsInUse,
  type InstalledEnvironment,
} from '../launch/environment.ts';
import { diskBytesNeeded } from '../launch/preflight.ts';
import { unmanagedServers, type UnmanagedServer } from '../launch/unmanaged.ts';
import { bad, good, unmet, type Finding } from './finding.ts';

/** It reads package metadata: milliseconds, and some seconds from a cold network disk. */
const DESCRIBE_DEADLINE_MS = 30_000;

export async function engineFindings(
  engines: readonly Engine[],
  machine: Machine,
  context: Context,
): Promise<readonly Finding[]> {
  const servers = unmanagedServers(context);
  const found = await Promise.all(
    engines.map(async (engine) => {
      if (engine.custom?.kind === 'server') return [];
      if (engine.custom !== undefined) return [commandFinding(engine.id, engine.custom)];
      const environments = await environmentsInUse(context.paths, engine.id);
      return environments.length === 0
        ? await absentFindings(engine, machine, context)
        : await presentFindings(engine, environments, { machine, context });
    }),
  );
  return [...found.flat(), ...(await servers).map(serverFinding)];
}

function serverFinding({ engine, url, state }: UnmanagedServer): Finding {
  const because = `unmanaged server at \`${url}\`: ${state}`;
  const setting = state === 'wants a key' ? 'key' : 'url';
  const hint = `see whether it runs, and whether \`engines.custom.${engine}.${setting}\` is right`;
  return state === 'answers' ? good(engine, because) : bad(engine, because, hint);
}

/** One that cannot be found breaks nothing until it is asked for. */
function commandFinding(
  id: string,
  custom: Extract<CustomSource, { readonly kind: 'command' }>,
): Finding {
  const [reason] = programReasons(custom);
  return reason === undefined
    ? good(id, `custom engine: \`${custom.executable ?? custom.program}\``)
    : unmet(
        id,
        reason.because,
        reason.hint ?? `mend \`engines.custom.${id}\` in the configuration`,
      );
}

async function presentFindings(
  engine: Engine,
  environments: readonly InstalledEnvironment[],
  { machine, context }: { readonly machine: Machine; readonly context: Context },
): Promise<readonly Finding[]> {
  const { id } = engine;
  const reasons = machineReasons(engine, machine);
  const broken = reasons.map(({ because, hint }) =>
    bad(id, `${engine.name} ${because}`, hint ?? `run \`hyperllama engines remove ${id}\``),
  );
  const health = await Promise.all(
    environments.map(async (environment) => await healthOf(engine, environment, context)),
  );
  return [...broken, ...health, ...idleFindings(engine, machine)];
}

/** A Python that was upgraded or removed leaves an environment that is whole and does not run. */
async function healthOf(
  engine: Engine,
  environment: InstalledEnvironment,
  { env }: Context,
): Promise<Finding> {
  const { id, name } = engine;
  const { version, recipe, build } = environment;
  const service = `${await serviceFolderOf(engine, env)}/service.py`;
  const result = await runCommand(environmentPython(environment), [service, 'describe'], {
    deadlineMs: DESCRIBE_DEADLINE_MS,
  });
  const what = `${name} ${version} (${recipe ?? build})`;
  if (result.kind === 'exited' && result.code === 0) return good(id, what);
  return bad(
    id,
    `${what} does not run: its Python at \`${environmentPython(environment)}\` ${howEnded(result)}`,
    `run \`hyperllama engines remove ${id}\`, then \`hyperllama engines install ${id}\``,
  );
}

function howEnded(result: CommandResult): string {
  switch (result.kind) {
    case 'exited':
      return `ended with exit code ${result.code}`;
    case 'killed':
      return `was ended by ${result.signal}`;
    case 'missing':
      return 'is not there';
    case 'timeout':
      return `did not answer in ${formatDuration(DESCRIBE_DEADLINE_MS)}`;
  }
}

/** All that stands in the way of an install, each with its remedy. */
async function absentFindings(
  engine: Engine,
  machine: Machine,
  context: Context,
): Promise<readonly Finding[]> {
  const { id, name } = engine;
  const lacks = machineReasons(engine, machine).map(({ because, hint }) =>
    unmet(id, `${name} cannot run here: ${because}`, hint),
  );
  const recipe = recipeForMachine(engine, machine);
  const guide = recipe === null ? guideFor(engine, machine) : null;
  if (guide !== null) return [...lacks, unmet(id, `${name}: ${guide.because}`, guide.hint)];
  if (!engine.isDriven) {
    const because = `${name}: this version cannot start it yet`;
    return lacks.length > 0 ? lacks : [unmet(id, because, null)];
  }
  const { bytesFree, path } = machine.disk;
  if (recipe !== null && bytesFree !== null && bytesFree < diskBytesNeeded(recipe)) {
    const needed = formatBytes(diskBytesNeeded(recipe));
    const because = `${name} needs ${needed} to install, ${formatBytes(bytesFree)} is free at \`${path ?? 'the disk'}\``;
    lacks.push(unmet(id, because, 'free some space, or set `HYPERLLAMA_HOME=/other/disk`'));
  }
  lacks.push(...(await pythonFindings(engine, context)), ...idleFindings(engine, machine));
  if (lacks.length > 0) return lacks;
  const how = `it is on first use, or by \`hyperllama engines install ${id}\``;
  return [good(id, `${name} is not installed; ${how}`)];
}

/** Only what this engine asks for beyond the services: that those have none is said once. */
async function pythonFindings(engine: Engine, context: Context): Promise<readonly Finding[]> {
  try {
    await context.python();
  } catch {
    return [];
  }
  try {
    await context.python(engine.requirements);
    return [];
  } catch (thrown) {
    const { message, hint } = toHyperLlamaError(thrown);
    return [unmet(engine.id, `${engine.name}: ${message}`, hint)];
  }
}

function idleFindings(engine: Engine, machine: Machine): readonly Finding[] {
  return idleCards(engine, machine).map(({ because, hint }) =>
    unmet(engine.id, `${engine.name} ${because}`, hint),
  );
}
