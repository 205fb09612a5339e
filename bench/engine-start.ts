/**
 * Answers: how long each engine takes to start with empty and with filled caches of its own
 * (compiled graphs, kernels), and how much of that is ours. For every installed engine that can be
 * driven here, or those of `--engines`.
 */
import { spawnSync } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createContext } from '../src/commands/shared.ts';
import type { Context } from '../src/base/context.ts';
import { environmentOf, environmentPython } from '../src/launch/environment.ts';
import { serviceFolderOf } from '../src/launch/engine-set.ts';
import { findInstallations } from '../src/launch/installations.ts';
import { choose, knownEngines, start, type Wanted } from '../src/pipeline.ts';
import { median } from '../src/measure/stats.ts';
import { makeWorkload } from '../src/workloads/presets.ts';
import { cannotMeasure, Options } from './support/options.ts';
import { printHead, printNoise, spread } from './support/report.ts';

const options = new Options('engine-start', {
  model: { value: 'REF', about: 'default smollm2:135m' },
  engines: { value: 'LIST', about: 'ids (default: all that are installed)' },
  cold: { value: 'N', about: 'starts with empty caches (default 1: minutes each)' },
  warm: { value: 'N', about: 'starts with filled caches (default 3)' },
});
const MODEL = options.text('model', 'smollm2:135m');
const COLD = options.integer('cold', 1);
const WARM = options.integer('warm', 3);

interface Timed {
  /** Spawn of the engine to its first token. */
  readonly startMs: number;
  /** The whole way, from the wish to a session. */
  readonly tookMs: number;
}

try {
  const context = await createContext({ quiet: true, yes: true });
  context.signal.addEventListener('abort', () => process.exit(130));
  printHead('starts of the engines, cold and warm');
  const installed = await findInstallations(await knownEngines(context), context);
  const ids = options.has('engines')
    ? options.text('engines', '').split(',')
    : [...installed.keys()];
  if (ids.length === 0) cannotMeasure('no engine is installed');
  for (const id of ids) await measure(id, context);
  console.log('');
  printNoise('after');
} catch (error) {
  cannotMeasure(error instanceof Error ? error.message : String(error));
}

async function measure(engineId: string, context: Context): Promise<void> {
  const workload = makeWorkload('chat', {});
  const wanted: Wanted = { model: MODEL, workload, engineId, isToRun: true, machine: null };
  // What is missing is fetched here, and not measured.
  await once(wanted, context);
  const { plan, decision } = await choose(wanted, context);
  const environment = await environmentOf(context.paths, plan);
  if (environment === null) return cannotMeasure(`${engineId} is not installed by us`);
  console.log(`\n## ${decision.engine.name} ${environment.version}, ${plan.model.artifact.format}`);
  const cache = join(environment.path, 'cache');
  const cold: Timed[] = [];
  for (let round = 0; round < COLD; round += 1) {
    await rename(cache, `${cache}.before`).catch(() => undefined);
    cold.push(await once(wanted, context));
    await rm(`${cache}.before`, { recursive: true, force: true });
  }
  const warm: Timed[] = [];
  const python: number[] = [];
  const service = join(await serviceFolderOf(decision.engine, context.env), 'service.py');
  for (let round = 0; round < WARM; round += 1) {
    warm.push(await once(wanted, context));
    python.push(pythonStart(environmentPython(environment), service));
  }
  const startOf = (timed: readonly Timed[]): number[] => timed.map(({ startMs }) => startMs);
  const own = [...cold, ...warm].map(({ tookMs, startMs }) => tookMs - startMs);
  console.log(`cold      ms ${spread(startOf(cold))}`);
  console.log(`warm      ms ${spread(startOf(warm))}`);
  const ratio = median(startOf(cold)) / median(startOf(warm));
  console.log(`cold ÷ warm: ${ratio.toFixed(2)} (medians, n=${cold.length} and ${warm.length})`);
  console.log(`ours      ms ${spread(own)}`);
  console.log(`python    ms ${spread(python)}: the service's own start, \`describe\``);
  const share = median(own) - median(python);
  console.log(
    `ours without Python: ${share.toFixed(0)} ms, goal at most 50: ${share <= 50 ? 'pass' : 'FAIL'}`,
  );
}

async function once(wanted: Wanted, context: Context): Promise<Timed> {
  const begun = performance.now();
  const { session, spent } = await start(
    wanted,
    { keepAliveMs: 0, startDeadlineMs: null },
    context,
  );
  const tookMs = performance.now() - begun - spent.downloadMs - spent.installMs;
  await session.release();
  if (session.facts.isAttached) throw new Error('an engine was running already');
  return { startMs: session.facts.startMs, tookMs };
}

function pythonStart(python: string, service: string): number {
  const begun = performance.now();
  spawnSync(python, ['-I', '-S', service, 'describe'], { stdio: 'ignore' });
  return performance.now() - begun;
}
