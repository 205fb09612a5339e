/** `hyperllama info`: the machine with its sources, the engines, and what each workload would get. */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { HyperLlamaError } from '../base/errors.ts';
import { readState, writeCache } from '../base/state.ts';
import { formatBytes } from '../base/units.ts';
import { decide } from '../decision/decide.ts';
import type { Engine, Installation, Reason } from '../engines/engine.ts';
import type { Machine } from '../hardware/machine.ts';
import { findInstallations } from '../launch/installations.ts';
import { REFERENCE_MODEL } from '../models/catalog.ts';
import type { ModelInfo } from '../models/model.ts';
import { knownEngines, thisMachine } from '../pipeline.ts';
import { makeWorkload } from '../workloads/presets.ts';
import { WORKLOAD_NAMES, type WorkloadName } from '../workloads/workload.ts';
import { engineRows, type EngineRow } from './engine-rows.ts';
import { stateWords } from './engines-table.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

interface Options extends CommonOptions {
  readonly measure?: boolean;
  readonly machine?: string;
}

async function recordedMachine(file: string): Promise<Machine> {
  const { readMachineFile } = await import('./machine-file.ts');
  return await readMachineFile(file);
}

interface WorkloadDecision {
  readonly workload: string;
  readonly engine: string | null;
  readonly because: readonly Reason[];
}

export default function command(): Command {
  const built = createCommand(
    'info',
    'this machine, the engines it can run, and which it would get',
  ).option('--measure', 'measure the memory bandwidth (a few seconds)');
  return built
    .option('--machine <file>', 'a machine recorded by `info --json`, in place of this one')
    .action(async (options: Options) => {
      const context = await createContext(options);
      await show(options, context);
    });
}

async function show(options: Options, context: Context): Promise<void> {
  const recorded = options.machine === undefined ? null : await recordedMachine(options.machine);
  const machine = recorded ?? (await measured(await thisMachine(context), options, context));
  const engines = await knownEngines(context);
  const installations = recorded === null ? await findInstallations(engines, context) : new Map();
  const rows = engineRows(engines, { machine, installations });
  // An engine that cannot run here wins nothing: leaving it out halves the work.
  const usable = engines.filter((_, index) => rows[index]?.usable === true);
  const decisions = WORKLOAD_NAMES.map((workload) =>
    decideFor(workload, { machine, engines: usable, installations }),
  );
  const { output } = context;
  if (output.isJson) {
    output.json({
      schema: 'hyperllama.info/1',
      machine,
      engines: rows,
      decisions,
      model: REFERENCE_MODEL.name,
    });
    return;
  }
  output.text(machineText(machine));
  output.text(`\nEngines\n${rows.map((row) => engineLine(row)).join('')}`);
  const lines = decisions.map(({ workload, engine, because }) => {
    const name = engines.find(({ id }) => id === engine)?.name ?? 'none';
    // The first reason is the tree's; `plan` shows them all.
    return ` ${workload.padEnd(9)}${name.padEnd(15)}${because[0]?.because ?? ''}\n`;
  });
  output.text(
    `\nWhat each kind of work would get, for a ${REFERENCE_MODEL.name}\n${lines.join('')}`,
  );
}

function decideFor(
  workload: WorkloadName,
  facts: {
    readonly machine: Machine;
    readonly engines: readonly Engine[];
    readonly installations: ReadonlyMap<string, Installation>;
  },
): WorkloadDecision {
  try {
    const decision = decide({
      ...facts,
      model: referenceFor(workload),
      workload: makeWorkload(workload, {}),
    });
    return { workload, engine: decision.engine.id, because: decision.because };
  } catch (error) {
    if (!(error instanceof HyperLlamaError) || error.code !== 'HL_NO_ENGINE_FITS') throw error;
    const because = error.message.split('\n')[0] ?? error.message;
    return {
      workload,
      engine: null,
      because: [{ code: 'no-engine-fits', because, hint: error.hint }],
    };
  }
}

/** The same weights, trained for the task: what decides is size and format. */
function referenceFor(workload: WorkloadName): ModelInfo {
  const isPooling = workload === 'embed' || workload === 'rerank';
  return isPooling ? { ...REFERENCE_MODEL, task: workload } : REFERENCE_MODEL;
}

/** With the bandwidth: measured now when asked, else as measured earlier on this machine. */
async function measured(machine: Machine, options: Options, context: Context): Promise<Machine> {
  const file = join(context.paths.cache, 'bandwidth.json');
  const key = `${machine.cpu.model ?? ''}:${machine.cpu.coresUsable ?? 0}:${machine.memory.bytesTotal ?? 0}`;
  const known = (await readState(file)) as { key: string; bytesPerSecond: number } | null;
  if (options.measure !== true) {
    return known?.key === key ? withBandwidth(machine, known.bytesPerSecond, file) : machine;
  }
  const { measureMemoryBandwidth } = await import('../hardware/bandwidth.ts');
  const progress = context.output.progress();
  progress.phase('measure', 'memory bandwidth');
  const result = await measureMemoryBandwidth({ machine, signal: context.signal }).finally(() =>
    progress.stop(),
  );
  await writeCache(file, { key, ...result });
  return withBandwidth(
    machine,
    result.bytesPerSecond,
    `measured: ${result.kernel}, ${result.threads} threads`,
  );
}

function withBandwidth(machine: Machine, bandwidthBytesPerSecond: number, source: string): Machine {
  return {
    ...machine,
    memory: { ...machine.memory, bandwidthBytesPerSecond },
    sources: { ...machine.sources, 'memory.bandwidthBytesPerSecond': source },
  };
}

/** ` vLLM           usable, not driven yet` */
function engineLine(row: EngineRow): string {
  const isRelease = row.installed && row.custom === null;
  const state = isRelease ? `installed ${row.version ?? ''}` : stateWords(row);
  const words = row.usable
    ? state
    : `cannot run here: ${row.reasons.map(({ because }) => because).join('; ')}`;
  return ` ${row.name.padEnd(15)}${words}\n`;
}

function machineText(machine: Machine): string {
  const { os, cpu, memory, disk, accelerators, sources } = machine;
  const unknown = 'unknown';
  const bytes = (value: number | null): string => (value === null ? unknown : formatBytes(value));
  const cores = `${cpu.coresPhysical ?? '?'} cores, ${cpu.coresLogical ?? '?'} threads, ${cpu.coresUsable ?? '?'} usable`;
  const limit = memory.bytesLimit === null ? '' : `, limited to ${bytes(memory.bytesLimit)}`;
  const bandwidth =
    memory.bandwidthBytesPerSecond === null
      ? ''
      : `, ${(memory.bandwidthBytesPerSecond / 1e9).toFixed(1)} GB/s`;
  const lines: [string, string, string | undefined][] = [
    [
      'system',
      [
        os.name,
        os.release,
        os.isWsl === true ? 'WSL' : null,
        os.isContainer === true ? 'container' : null,
      ]
        .filter(Boolean)
        .join(', ') || unknown,
      sources['os.name'],
    ],
    [
      'cpu',
      `${cpu.model ?? unknown} (${cpu.architecture ?? unknown}, ${cores})`,
      sources['cpu.model'],
    ],
    [
      '',
      cpu.isa.length === 0 ? 'no instruction sets known' : cpu.isa.join(' '),
      sources['cpu.isa'],
    ],
    [
      'memory',
      `${bytes(memory.bytesTotal)}, ${bytes(memory.bytesAvailable)} available${limit}${bandwidth}`,
      sources['memory.bytesTotal'],
    ],
    [
      'disk',
      `${bytes(disk.bytesFree)} free of ${bytes(disk.bytesTotal)} at ${disk.path ?? unknown}`,
      sources['disk.bytesFree'],
    ],
    ...accelerators.map((card): [string, string, string | undefined] => [
      `gpu ${card.index}`,
      [
        card.name,
        bytes(card.memoryBytesTotal),
        card.memoryBytesFree === null ? null : `${bytes(card.memoryBytesFree)} free`,
        card.computeCapability === null ? card.gfx : `compute ${card.computeCapability}`,
        card.driver === null ? null : `driver ${card.driver}`,
      ]
        .filter((part) => part !== null)
        .join(', '),
      card.source,
    ]),
    ...(accelerators.length === 0
      ? [['gpu', 'none found', sources['accelerators']] as [string, string, string | undefined]]
      : []),
  ];
  return lines
    .map(
      ([name, text, source]) =>
        `${name.padEnd(8)}${text}${source === undefined ? '' : `   [${source}]`}\n`,
    )
    .join('');
}
