/** `hyperllama doctor`: what is wrong, why, and the command that mends it. */
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { toHyperLlamaError, type HyperLlamaError } from '../base/errors.ts';
import { makeFolder } from '../base/folders.ts';
import { formatBytes, GIB } from '../base/units.ts';
import type { Machine } from '../hardware/machine.ts';
import { runningSessions } from '../launch/fleet.ts';
import { staleStaging, sweepStaging } from '../launch/leftovers.ts';
import { isGuardAlive, readLedger, type Reaped } from '../launch/ledger.ts';
import { knownEngines, thisMachine } from '../pipeline.ts';
import { engineFindings } from './doctor-engines.ts';
import { bad, good, type Finding } from './finding.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

interface Options extends CommonOptions {
  readonly reap?: boolean;
}

/** The embedded engine and the demo model, with room to unpack. */
const DISK_BYTES_MIN = 0.5 * GIB;

export default function command(): Command {
  return createCommand('doctor', 'what is wrong, why, and the command that mends it')
    .option('--reap', 'only clear away what dead sessions and killed installs left behind')
    .option('--python <path>', 'Python that runs the engine services')
    .action(async (options: Options) => {
      const mistakes: HyperLlamaError[] = [];
      const context = await createContext(options, (mistake) => mistakes.push(mistake));
      const isReaping = options.reap === true;
      const { sessions, reaped } = await runningSessions(context);
      const leftovers = [
        await sessionFinding(sessions.length, reaped, context),
        isReaping ? await sweepFinding(context) : installFinding(context),
      ];
      const findings = isReaping
        ? leftovers
        : [...(await examine(context, mistakes)), ...leftovers];
      if (findings.some(({ level }) => level === 'bad')) process.exitCode = 1;
      if (context.output.isJson) {
        const told = findings.map((finding) => ({ ok: finding.level !== 'bad', ...finding }));
        return context.output.json({ schema: 'hyperllama.doctor/1', findings: told, reaped });
      }
      printFindings(findings, context);
    });
}

function printFindings(findings: readonly Finding[], { output }: Context): void {
  const { style } = output;
  const marks = { ok: style.green('ok '), unmet: style.yellow('-- '), bad: style.red('bad') };
  const width = Math.max(...findings.map(({ code }) => code.length));
  for (const { level, code, because, hint } of findings) {
    const remedy = hint === null ? '' : `\n    ${' '.repeat(width)} → ${hint}`;
    output.text(`${marks[level]} ${code.padEnd(width)} ${because}${remedy}\n`);
  }
}

async function examine(context: Context, mistakes: HyperLlamaError[]): Promise<readonly Finding[]> {
  const machine = await thisMachine(context);
  const engines = await knownEngines(context).catch(async (thrown: unknown) => {
    mistakes.push(toHyperLlamaError(thrown));
    const custom = { value: {}, origin: 'default' };
    return await knownEngines({ env: context.env, config: { ...context.config, custom } });
  });
  return [
    good('node', `Node ${process.versions.node}`),
    ...mistakes.map(({ message, hint }) => bad('config', message, hint)),
    await pythonFinding(context),
    await writableFinding(context),
    diskFinding(machine, context),
    ...(await engineFindings(engines, machine, context)),
  ];
}

function diskFinding({ disk }: Machine, { paths }: Context): Finding {
  const free = disk.bytesFree;
  const because = `${free === null ? 'unknown space' : formatBytes(free)} free at \`${paths.data}\``;
  return free !== null && free < DISK_BYTES_MIN
    ? bad('disk', because, 'free some space, or set `HYPERLLAMA_HOME=/other/disk`')
    : good('disk', because);
}

async function pythonFinding(context: Context): Promise<Finding> {
  try {
    const { executable, version } = await context.python();
    return good('python', `Python ${version} at \`${executable}\``);
  } catch (thrown) {
    const { message, hint } = toHyperLlamaError(thrown);
    return bad('python', message, hint);
  }
}

async function writableFinding({ paths }: Context): Promise<Finding> {
  for (const folder of [paths.data, paths.state, paths.cache, paths.run]) {
    try {
      await makeFolder(folder);
    } catch (thrown) {
      const { message, hint } = toHyperLlamaError(thrown);
      return bad('folders', message, hint);
    }
  }
  return good('folders', `\`${paths.data}\` and the others can be written`);
}

async function sessionFinding(
  running: number,
  reaped: Reaped,
  { paths }: Context,
): Promise<Finding> {
  const dead = (await readLedger(paths)).filter((entry) => !isGuardAlive(entry));
  if (reaped.failure !== null || dead.length > 0) {
    const keys = dead.map(({ key }) => `\`${key}\``).join(', ');
    const why = reaped.failure === null ? '' : `: ${reaped.failure}`;
    return bad(
      'sessions',
      `what dead sessions left (${keys || 'unknown'}) could not be cleared${why}`,
      'run `hyperllama doctor --reap` as the user who started them',
    );
  }
  return good(
    'sessions',
    reaped.sessions === 0
      ? `${running} sessions run, none is dead`
      : `ended ${reaped.processes} processes of ${reaped.sessions} dead sessions`,
  );
}

function installFinding({ paths }: Context): Finding {
  const stale = staleStaging(paths);
  if (stale.length === 0) return good('installs', 'no killed install left anything behind');
  const names = stale.map((path) => `\`${path}\``).join(', ');
  return bad('installs', `killed installs left ${names}`, 'run `hyperllama doctor --reap`');
}

async function sweepFinding(context: Context): Promise<Finding> {
  const { removed, failure } = await sweepStaging(context);
  if (failure !== null) {
    const hint = `remove the \`.staging-\` folders under \`${context.paths.data}\` by hand`;
    return bad('installs', `what killed installs left could not be removed: ${failure}`, hint);
  }
  return good(
    'installs',
    removed.length === 0
      ? 'no killed install left anything behind'
      : `removed ${removed.map((path) => `\`${path}\``).join(', ')}`,
  );
}
