/** `hyperllama doctor`: what is wrong, why, and the command that mends it. */
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { toHyperLlamaError } from '../base/errors.ts';
import { makeFolder } from '../base/folders.ts';
import { formatBytes, GIB } from '../base/units.ts';
import type { CustomSource } from '../engines/engine.ts';
import { programReasons } from '../engines/shared/usable.ts';
import { installedEnvironments } from '../launch/environment.ts';
import { runningSessions } from '../launch/fleet.ts';
import { knownEngines, thisMachine } from '../pipeline.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

interface Options extends CommonOptions {
  readonly reap?: boolean;
}

interface Finding {
  readonly code: string;
  readonly ok: boolean;
  readonly because: string;
  /** The command that mends it; `null` when all is well or nothing helps. */
  readonly hint: string | null;
}

/** The embedded engine and the demo model, with room to unpack. */
const DISK_BYTES_MIN = 0.5 * GIB;

export default function command(): Command {
  return createCommand('doctor', 'what is wrong, why, and the command that mends it')
    .option('--reap', 'only end what dead sessions left behind')
    .option('--python <path>', 'Python that runs the engine services')
    .action(async (options: Options) => {
      const context = await createContext(options);
      const { sessions, reaped } = await runningSessions(context);
      const { output } = context;
      const reapWords =
        reaped.sessions === 0
          ? `${sessions.length} sessions run, none is dead`
          : `ended ${reaped.processes} processes of ${reaped.sessions} dead sessions`;
      const reapFinding: Finding = { code: 'sessions', ok: true, because: reapWords, hint: null };
      const findings =
        options.reap === true ? [reapFinding] : [...(await examine(context)), reapFinding];
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
      if (output.isJson) {
        output.json({ schema: 'hyperllama.doctor/1', findings, reaped });
        return;
      }
      for (const { ok, code, because, hint } of findings) {
        const mark = ok ? output.style.green('ok ') : output.style.red('bad');
        output.text(
          `${mark} ${code.padEnd(10)} ${because}${hint === null ? '' : `\n               → ${hint}`}\n`,
        );
      }
    });
}

async function examine(context: Context): Promise<readonly Finding[]> {
  const machine = await thisMachine(context);
  const free = machine.disk.bytesFree;
  return [
    finding('node', true, `Node ${process.versions.node}`),
    await pythonFinding(context),
    await writableFinding(context),
    free !== null && free < DISK_BYTES_MIN
      ? finding(
          'disk',
          false,
          `${formatBytes(free)} free at \`${context.paths.data}\``,
          'free some space, or set `HYPERLLAMA_HOME=/other/disk`',
        )
      : finding(
          'disk',
          true,
          `${free === null ? 'unknown space' : formatBytes(free)} free at \`${context.paths.data}\``,
        ),
    ...(await engineFindings(context)),
  ];
}

async function pythonFinding(context: Context): Promise<Finding> {
  try {
    const { executable, version } = await context.python();
    return finding('python', true, `Python ${version} at \`${executable}\``);
  } catch (thrown) {
    const { message, hint } = toHyperLlamaError(thrown);
    return finding('python', false, message, hint);
  }
}

async function writableFinding({ paths }: Context): Promise<Finding> {
  for (const folder of [paths.data, paths.state, paths.cache, paths.run]) {
    try {
      await makeFolder(folder);
    } catch (thrown) {
      const { message, hint } = toHyperLlamaError(thrown);
      return finding('folders', false, message, hint);
    }
  }
  return finding('folders', true, `\`${paths.data}\` and the others can be written`);
}

async function engineFindings(context: Context): Promise<readonly Finding[]> {
  const engines = (await knownEngines(context)).filter((engine) => engine.isDriven);
  return await Promise.all(
    engines.map(async ({ id, name, custom }) => {
      if (custom !== undefined) return customFinding(id, custom);
      const [environment] = await installedEnvironments(context.paths, id);
      return environment === undefined
        ? finding(
            id,
            true,
            `${name} is not installed; it is on first use, or by \`hyperllama engines install ${id}\``,
          )
        : finding(
            id,
            true,
            `${name} ${environment.version} (${environment.recipe ?? environment.build})`,
          );
    }),
  );
}

function customFinding(id: string, custom: CustomSource): Finding {
  if (custom.kind === 'server') {
    const because = `unmanaged server at \`${custom.server.url}\`; \`hyperllama ps\` says whether it answers`;
    return finding(id, true, because);
  }
  const [reason] = programReasons(custom);
  return reason === undefined
    ? finding(id, true, `custom engine: \`${custom.executable ?? custom.program}\``)
    : finding(id, false, reason.because, reason.hint);
}

function finding(code: string, ok: boolean, because: string, hint: string | null = null): Finding {
  return { code, ok, because, hint };
}
