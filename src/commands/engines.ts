/** `hyperllama engines`: what is installed and usable; install, verify, remove. */
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { runCommand } from '../base/exec.ts';
import { formatBytesOf } from '../base/output.ts';
import { nearestNames } from '../base/suggest.ts';
import { formatBytes, formatDuration } from '../base/units.ts';
import { DEPLOY_TARGETS } from '../engines/deploy/targets.ts';
import type { Engine, EnvironmentRecipe, Service } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';
import {
  chooseRecipe,
  environmentPython,
  installedEnvironments,
  installEnvironment,
  removeEnvironment,
} from '../launch/environment.ts';
import { findInstallations } from '../launch/installations.ts';
import { refuseFullDisk } from '../launch/preflight.ts';
import { serviceFolderOf } from '../launch/engine-set.ts';
import { knownEngines, thisMachine } from '../pipeline.ts';
import { engineRows } from './engine-rows.ts';
import { enginesTable } from './engines-table.ts';
import { createCommand, createContext, createGroup, type CommonOptions } from './shared.ts';

type Installable = Service & Pick<Engine, 'isDriven'>;

interface InstallOptions extends CommonOptions {
  readonly device?: string;
}

/** Importing an engine from a cold disk, on the slowest machine. */
const CHECK_DEADLINE_MS = 300_000;

export default function command(): Command {
  const list = createCommand('list', 'what is installed and what can run here').action(
    async (options: CommonOptions) => showList(await createContext(options)),
  );
  const install = createCommand('install', 'install an engine into an environment of its own')
    .argument('<engine>', 'engine id')
    .option('--device <device>', 'cpu, or auto for the build of this machine')
    .option('--python <path>', 'Python that the environment is made from')
    .option('--yes', 'answer every question with yes')
    .action(async (id: string, options: InstallOptions) => {
      await installOne(id, options, await createContext(options));
    });
  const verify = createCommand('verify', 'prove that an installed engine works')
    .argument('<engine>', 'engine id')
    .action(async (id: string, options: CommonOptions) =>
      verifyOne(id, await createContext(options)),
    );
  const remove = createCommand('remove', 'remove the environments of an engine')
    .argument('<engine>', 'engine id')
    .action(async (id: string, options: CommonOptions) =>
      removeOne(id, await createContext(options)),
    );
  return createGroup('engines', 'engine environments: list, install, verify, remove')
    .addCommand(list, { isDefault: true })
    .addCommand(install)
    .addCommand(verify)
    .addCommand(remove);
}

async function showList(context: Context): Promise<void> {
  const engines = await knownEngines(context);
  const [machine, installations] = await Promise.all([
    thisMachine(context),
    findInstallations(engines, context),
  ]);
  const rows = await Promise.all(
    engineRows(engines, { machine, installations }).map(async (row, index) => {
      const engine = engines[index];
      const environments =
        engine === undefined ? [] : await installedEnvironments(context.paths, row.id);
      const recipe = engine === undefined ? null : defaultRecipe(engine, machine);
      const onDisk = environments.map(({ bytesOnDisk }) => bytesOnDisk ?? 0);
      return {
        ...row,
        bytesOnDisk: environments.length === 0 ? null : onDisk.reduce((a, b) => a + b, 0),
        bytesToInstall: row.installed || recipe === null ? null : recipe.bytesDownload,
      };
    }),
  );
  const { output } = context;
  if (output.isJson) output.json({ schema: 'hyperllama.engines/1', engines: rows });
  else output.text(await enginesTable(rows, context));
}

async function installOne(id: string, options: InstallOptions, context: Context): Promise<void> {
  const engine = await findEngine(id, context);
  if (!engine.isDriven) fail('HL_ENGINE_NOT_DRIVEN', { engine: engine.name, alternative: null });
  const machine = await thisMachine(context);
  const recipe = defaultRecipe(engine, machine, options.device === 'cpu');
  if (recipe === null) {
    const because = `there is no build for ${machine.os.platform ?? 'this system'}`;
    return fail('HL_ENGINE_INSTALL_FAILED', { engine: engine.name, id, because });
  }
  refuseFullDisk(recipe, machine);
  const { output } = context;
  output.note(
    ` ${engine.name} ${engine.versionPinned} (${recipe.id}): ${formatBytes(recipe.bytesDownload)} to download, ${formatBytes(recipe.bytesOnDisk)} on disk`,
  );
  const progress = output.progress();
  const { installation, durationMs } = await installEnvironment(engine, recipe, {
    paths: context.paths,
    python: await context.python(engine.requirements.pythonMin),
    serviceFolder: await serviceFolderOf(engine, context.env),
    env: context.env,
    signal: context.signal,
    onEvent: (event) => {
      if (event.event === 'phase') progress.phase(event.name, engine.name);
      if (event.event === 'waiting') progress.phase('wait', 'for another install to finish');
      if (event.event !== 'progress') return;
      const fraction = event.bytesTotal === null ? null : event.bytes / event.bytesTotal;
      progress.update(formatBytesOf(event.bytes, event.bytesTotal), fraction);
    },
  }).finally(() => progress.stop());
  if (output.isJson) {
    const { version, build, path } = installation;
    output.json({
      schema: 'hyperllama.install/1',
      id,
      version,
      build,
      recipe: recipe.id,
      path,
      durationMs,
    });
  } else {
    output.text(
      `installed ${engine.name} ${installation.version} in ${formatDuration(durationMs)}: ${installation.path}\n`,
    );
  }
}

async function verifyOne(id: string, context: Context): Promise<void> {
  const engine = await findEngine(id, context);
  const [environment] = await installedEnvironments(context.paths, id);
  if (environment === undefined) {
    return fail('HL_ENGINE_NOT_INSTALLED', {
      engine: engine.name,
      id,
      because: 'there is no environment of it',
    });
  }
  const service = `${await serviceFolderOf(engine, context.env)}/service.py`;
  const result = await runCommand(environmentPython(environment), [service, 'check'], {
    deadlineMs: CHECK_DEADLINE_MS,
  });
  const findings =
    result.kind === 'exited'
      ? result.stdout
          .split('\n')
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line) as Finding)
      : [];
  const isGood = result.kind === 'exited' && result.code === 0 && findings.every(({ ok }) => ok);
  if (!isGood) process.exitCode = 6;
  const { output } = context;
  if (output.isJson) {
    return output.json({
      schema: 'hyperllama.verify/1',
      id,
      version: environment.version,
      ok: isGood,
      findings,
    });
  }
  for (const { ok, code, because, hint } of findings) {
    output.text(`${ok ? 'ok ' : 'bad'} ${code}: ${because}${hint === null ? '' : ` (${hint})`}\n`);
  }
  if (findings.length === 0)
    output.text(`bad ${id}: its service did not answer (${result.kind})\n`);
}

interface Finding {
  readonly ok: boolean;
  readonly code: string;
  readonly because: string;
  readonly hint: string | null;
}

async function removeOne(id: string, context: Context): Promise<void> {
  const engine = await findEngine(id, context);
  const environments = await installedEnvironments(context.paths, id);
  for (const environment of environments) await removeEnvironment(environment);
  const { output } = context;
  const removed = environments.map(({ path, bytesOnDisk }) => ({ path, bytesOnDisk }));
  if (output.isJson) return output.json({ schema: 'hyperllama.remove/1', id, removed });
  if (removed.length === 0) output.text(`${engine.name} is not installed\n`);
  for (const { path } of removed) output.text(`removed ${path}\n`);
}

/** The recipe for the first device of this machine that has one: a GPU before the CPU. */
function defaultRecipe(
  engine: Service,
  machine: Machine,
  isCpuOnly = false,
): EnvironmentRecipe | null {
  const vendors = isCpuOnly ? [] : machine.accelerators.map(({ vendor }) => vendor);
  for (const vendor of vendors) {
    const recipe = vendor === 'other' ? null : chooseRecipe(engine, machine, vendor);
    if (recipe !== null) return recipe;
  }
  return chooseRecipe(engine, machine, 'cpu');
}

/** Targets of `deploy` are installed, proved and removed like engines, and stand in no list of them. */
async function findEngine(id: string, context: Context): Promise<Installable> {
  const targets = DEPLOY_TARGETS.map((target) => ({ ...target, isDriven: true }));
  const engines: readonly Installable[] = [...targets, ...(await knownEngines(context))];
  const engine = engines.find((candidate) => candidate.id === id);
  if (engine !== undefined) return engine;
  const known = (await knownEngines(context)).map((candidate) => candidate.id);
  const nearest = nearestNames(id, known, { count: 2, isAnyDistance: false });
  return fail('HL_ENGINE_UNKNOWN', { engine: id, known, nearest });
}
