/**
 * Answers: what our layer costs while an engine serves (goals G14, G19, G20 of
 * `docs/benchmarking.md`): our default plan against the best hand-tuned direct command of the same
 * build, a one-off `generate` against the bare engine, our ready time against the engine's own.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createContext } from '../src/commands/shared.ts';
import type { Context } from '../src/base/context.ts';
import { choose, start, type Choice, type Wanted } from '../src/pipeline.ts';
import { makeWorkload } from '../src/workloads/presets.ts';
import { measureGenerate, measureReady } from './support/cold-start.ts';
import { planFlags, startDirect } from './support/direct.ts';
import { cannotMeasure, Options } from './support/options.ts';
import { printGoal, printHead, printNoise, ratioOf, ratioText, spread } from './support/report.ts';
import {
  EFFORT,
  EFFORT_SWEEP,
  measurePair,
  measureSpeed,
  type Measured,
  type Speed,
} from './support/speed.ts';
import { findBest, namedCandidate, type Candidate } from './support/sweep.ts';

const options = new Options('engine', {
  quick: { value: null, about: 'fewer rounds, smaller requests, a shorter sweep: preliminary' },
  only: { value: 'GOALS', about: 'g14,g19,g20 (default all)' },
  model: { value: 'REF', about: 'default smollm2:135m' },
  rounds: { value: 'N', about: 'rounds of G19 (default 8, quick 3)' },
  winner: { value: 'NAME', about: '`plain` or `our flags`, found by an earlier sweep: skips it' },
  concurrency: { value: 'LIST', about: 'users at once of G19 (default 1,8)' },
  minutes: { value: 'N', about: 'no new round of G19 after this (default 30)' },
  beside: {
    value: 'FILE',
    about: 'another build, measured beside: a `llama-server` (default none)',
  },
  cli: { value: 'FILE', about: 'built program (default dist/bin/cli.js)' },
});
const IS_QUICK = options.has('quick');
const ONLY = new Set(options.text('only', 'g14,g19,g20').split(','));
const MODEL = options.text('model', 'smollm2:135m');
const ROUNDS = options.integer('rounds', IS_QUICK ? 3 : 8);
const WINNER = options.has('winner') ? options.text('winner', '') : null;
const CONCURRENCIES = options.text('concurrency', '1,8').split(',').map(Number);
const BUDGET_MS = options.integer('minutes', 30) * 60_000;
const BESIDE = options.text('beside', '');
const CLI = options.text('cli', fileURLToPath(new URL('../dist/bin/cli.js', import.meta.url)));
const COLD_ROUNDS = IS_QUICK ? 6 : 30;
/** Named: with eight users the decision takes another engine on some machines. */
const ENGINE = 'llama-cpp';
/** The one build that `direct_host.py` knows how to start by hand. */
const BUILD = 'xllamacpp';

const begunAtMs = performance.now();
const scratch = mkdtempSync(join(tmpdir(), 'hl-bench-'));
// Short: a unix socket's path may have 100 bytes only.
const socket = join(scratch, 'd.sock');
process.env['HYPERLLAMA_HOME'] ??= join(scratch, 'home');
process.on('exit', () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
try {
  const context = await createContext({ quiet: true, yes: true });
  // Half a comparison says nothing. Direct engines end with us, ours by their guards.
  context.signal.addEventListener('abort', () => process.exit(130));
  printHead('our layer around a serving engine');
  console.log(`home      ${process.env['HYPERLLAMA_HOME']}`);
  const { wanted, choice } = await prepare(1, context);
  const { plan } = choice;
  console.log(`engine    ${plan.engine.build} ${plan.engine.version}, ${plan.device}`);
  console.log(`model     ${plan.model.name} ${plan.model.artifact.quantization ?? ''}`);
  if (ONLY.has('g14')) await measureReady(coldOptions(wanted, choice, context));
  if (ONLY.has('g20')) {
    if (!existsSync(CLI)) cannotMeasure(`${CLI} is missing: run \`npm run build\``);
    await measureGenerate(coldOptions(wanted, choice, context));
  }
  if (ONLY.has('g19')) for (const concurrency of CONCURRENCIES) await compare(concurrency, context);
  console.log('');
  printNoise('after');
} catch (error) {
  cannotMeasure(error instanceof Error ? error.message : String(error));
}

/** Installs what is missing, by starting once, and returns the plan of the installed build. */
async function prepare(
  concurrency: number,
  context: Context,
): Promise<{ wanted: Wanted; choice: Choice }> {
  const wanted: Wanted = {
    model: MODEL,
    workload: makeWorkload('chat', { concurrency }),
    engineId: ENGINE,
    isToRun: true,
    machine: null,
  };
  const { session } = await start(wanted, { keepAliveMs: 0, startDeadlineMs: null }, context);
  await session.release();
  const choice = await choose(wanted, context);
  if (choice.plan.engine.build !== BUILD) {
    cannotMeasure(`the decided build is ${choice.plan.engine.build}, this program drives ${BUILD}`);
  }
  return { wanted, choice };
}

function coldOptions(
  wanted: Wanted,
  choice: Choice,
  context: Context,
): Parameters<typeof measureGenerate>[0] {
  return { wanted, choice, context, socket, rounds: COLD_ROUNDS, cli: CLI, tokens: 64 };
}

async function compare(concurrency: number, context: Context): Promise<void> {
  const { wanted, choice } = await prepare(concurrency, context);
  const { contextTokens, slots } = choice.plan;
  console.log(`\n## G19: our default plan ÷ the best hand-tuned direct command, c=${concurrency}`);
  console.log(
    `   same build, ${slots} slots of ${contextTokens} tokens${WINNER === null ? '; sweep:' : ''}`,
  );
  const effort = EFFORT_SWEEP;
  const sweep = { choice, concurrency, effort, socket, isQuick: IS_QUICK };
  const best = WINNER === null ? await findBest(sweep) : namedCandidate(WINNER, sweep);
  console.log(`   winner: ${best.name}\n   ${best.command(socket).join(' ')}`);
  const [ours, direct]: [Speed[], Speed[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    if (performance.now() - begunAtMs > BUDGET_MS && ours.length >= 2) break;
    const effort = IS_QUICK ? EFFORT_SWEEP : EFFORT;
    const what = { concurrency, effort, seed: 100 + round };
    const speeds = await measureRound(best, wanted, context, what);
    ours.push(speeds.ours);
    direct.push(speeds.direct);
  }
  await measureBeside(choice, concurrency);
  for (const metric of ['decode', 'prefill'] as const) {
    const [left, right] = [ours, direct].map((side) => side.map((speed) => speed[metric]));
    const paired = ratioOf(left ?? [], right ?? []);
    console.log(`${metric}  ours   tok/s ${spread(left ?? [])}`);
    console.log(`${metric}  direct tok/s ${spread(right ?? [])}`);
    console.log(`${metric}  ours ÷ direct, paired: ${ratioText(paired)}`);
    printGoal({
      id: 'G19',
      what: `${metric}, c=${concurrency}, lower 95% bound`,
      value: paired?.ci.low ?? null,
      otherBound: paired?.ci.high ?? null,
      limit: 0.97,
      is: 'at least',
    });
  }
}

/** Not the same build, so that no goal is set on it: what else this machine could run. */
async function measureBeside(choice: Choice, concurrency: number): Promise<void> {
  if (BESIDE === '') return console.log('   beside it: no other build was named with --beside');
  const direct = await startDirect(choice, [BESIDE, ...planFlags(choice, socket)], socket);
  try {
    const what = { concurrency, effort: EFFORT, seed: 99 };
    const speed = await measureSpeed({ address: direct.address, choice }, what);
    const words = `decode ${speed.decode.toFixed(1)}, prefill ${speed.prefill.toFixed(1)} tok/s`;
    console.log(`   beside it: ${BESIDE}: ${words}`);
  } finally {
    await direct.stop();
  }
}

/** A round has engines of its own on both sides: the unit of replication is the start. */
async function measureRound(
  best: Candidate,
  wanted: Wanted,
  context: Context,
  what: Measured,
): Promise<{ readonly ours: Speed; readonly direct: Speed }> {
  const limits = { keepAliveMs: 0, startDeadlineMs: null };
  const { session, choice } = await start(wanted, limits, context);
  await using held = session;
  if (held.facts.isAttached) throw new Error('an engine was running already');
  const direct = await startDirect(choice, best.command(socket), socket, best.variables);
  try {
    const ours = { address: held.facts.address, choice };
    const theirs = { address: direct.address, choice };
    // Who begins changes from round to round.
    const isOursFirst = what.seed % 2 === 0;
    const { a, b } = isOursFirst
      ? await measurePair(ours, theirs, what)
      : await measurePair(theirs, ours, what);
    return isOursFirst ? { ours: a, direct: b } : { ours: b, direct: a };
  } finally {
    await direct.stop();
  }
}
