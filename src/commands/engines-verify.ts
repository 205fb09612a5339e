/** `hyperllama engines verify`: each service proves by itself that its engine works here. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { runCommand } from '../base/exec.ts';
import type { Service } from '../engines/engine.ts';
import { serviceFolderOf } from '../launch/engine-set.ts';
import {
  environmentPython,
  environmentsInUse,
  type InstalledEnvironment,
} from '../launch/environment.ts';
import { knownEngines } from '../pipeline.ts';
import { findInstallable } from './find-engine.ts';

/** Importing an engine from a cold disk, on the slowest machine. */
const CHECK_DEADLINE_MS = 300_000;

interface Finding {
  readonly ok: boolean;
  readonly code: string;
  readonly because: string;
  readonly hint: string | null;
}

interface Verified {
  readonly id: string;
  readonly version: string;
  readonly recipe: string | null;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** `id` = `null`: every engine that is installed; of each, every build that is in use. */
export async function verifyEngines(id: string | null, context: Context): Promise<void> {
  const { output } = context;
  const engines = id === null ? await knownEngines(context) : [await findInstallable(id, context)];
  const verified: Verified[] = [];
  // One after the other: each of them may fill the memory with what it imports.
  for (const engine of engines) {
    for (const environment of await environmentsInUse(context.paths, engine.id)) {
      verified.push(await verify(engine, environment, context));
    }
  }
  if (verified.some(({ ok }) => !ok)) process.exitCode = 6;
  if (id !== null && verified.length === 0) {
    const because = 'there is no environment of it';
    return fail('HL_ENGINE_NOT_INSTALLED', { engine: engines[0]?.name ?? id, id, because });
  }
  if (output.isJson) {
    return output.json({ schema: 'hyperllama.verify/1', engines: verified });
  }
  if (verified.length === 0) output.text('no engine is installed\n');
  for (const { id: name, version, recipe, findings } of verified) {
    if (id === null || verified.length > 1) output.text(`${name} ${version} (${recipe})\n`);
    for (const { ok, code, because, hint } of findings) {
      const remedy = hint === null ? '' : ` (${hint})`;
      output.text(`${ok ? 'ok ' : 'bad'} ${code}: ${because}${remedy}\n`);
    }
  }
}

async function verify(
  engine: Service,
  environment: InstalledEnvironment,
  context: Context,
): Promise<Verified> {
  const service = `${await serviceFolderOf(engine, context.env)}/service.py`;
  const result = await runCommand(environmentPython(environment), [service, 'check'], {
    deadlineMs: CHECK_DEADLINE_MS,
  });
  const said =
    result.kind !== 'exited'
      ? []
      : result.stdout
          .split('\n')
          .filter((line) => line.startsWith('{'))
          // Our own services answer: a finding has these fields.
          .map((line) => JSON.parse(line) as Finding);
  const how = result.kind === 'exited' ? `exit ${result.code}` : result.kind;
  const isGood = result.kind === 'exited' && result.code === 0 && said.length > 0;
  const findings = isGood ? said : [...said, silence(engine, how)];
  const { id } = engine;
  const { version, recipe } = environment;
  return { id, version, recipe, ok: findings.every(({ ok }) => ok), findings };
}

function silence({ id }: Service, how: string): Finding {
  const because = `its service did not answer (${how})`;
  const hint = `run \`hyperllama engines remove ${id}\`, then \`hyperllama engines install ${id}\``;
  return { ok: false, code: id, because, hint };
}
