/** `hyperllama engines list`: per engine what is installed, what is newest, and what it would take. */
import type { Context } from '../base/context.ts';
import { guideFor, recipeForMachine } from '../engines/shared/recipes.ts';
import { compareVersions, knownVersion } from '../engines/shared/versions.ts';
import type { Engine } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';
import { installedEnvironments } from '../launch/environment.ts';
import { findInstallations } from '../launch/installations.ts';
import { knownEngines, thisMachine } from '../pipeline.ts';
import { engineRows, type EngineRow, type EngineSizes } from './engine-rows.ts';
import { installedBeside, printBeside } from './engines-others.ts';
import { enginesTable } from './engines-table.ts';

export async function listEngines(context: Context): Promise<void> {
  const engines = await knownEngines(context);
  const [machine, installations] = await Promise.all([
    thisMachine(context),
    findInstallations(engines, context),
  ]);
  const rows = engineRows(engines, { machine, installations });
  const sized = await Promise.all(
    engines.map(
      async (engine, index) => await withSizes(engine, rows[index], { machine, context }),
    ),
  );
  const known = sized.filter((row) => row !== null);
  const others = await installedBeside(context.paths);
  const { output } = context;
  if (output.isJson) {
    const engines = known.map((row) => ({ ...row, newest: knownVersion(row.newest) }));
    return output.json({ schema: 'hyperllama.engines/1', engines, others });
  }
  output.text(await enginesTable(known, context));
  printBeside(others, context);
  output.note(' NEWEST is what this release of HyperLlama installs; no index was asked');
}

async function withSizes(
  engine: Engine,
  row: EngineRow | undefined,
  { machine, context }: { readonly machine: Machine; readonly context: Context },
): Promise<EngineSizes | null> {
  if (row === undefined) return null;
  const environments = await installedEnvironments(context.paths, row.id);
  const onDisk = environments.map(({ bytesOnDisk }) => bytesOnDisk ?? 0);
  const isNewest = row.version !== null && compareVersions(row.version, row.newest) >= 0;
  const recipe = isNewest || !row.isDriven ? null : recipeForMachine(engine, machine);
  // After a rollback the newest lies there all the same.
  const isHere = environments.some(
    ({ recipe: id, version }) => id === recipe?.id && compareVersions(version, row.newest) >= 0,
  );
  return {
    ...row,
    bytesOnDisk: environments.length === 0 ? null : onDisk.reduce((a, b) => a + b, 0),
    bytesToInstall: isHere ? 0 : (recipe?.bytesDownload ?? null),
    bytesNeeded: isHere ? 0 : (recipe?.bytesOnDisk ?? null),
    guide: recipe === null && !row.installed ? guideOf(engine, machine) : null,
  };
}

function guideOf(engine: Engine, machine: Machine): EngineSizes['guide'] {
  const guide = guideFor(engine, machine);
  return guide === null ? null : { because: guide.because, hint: guide.hint };
}
