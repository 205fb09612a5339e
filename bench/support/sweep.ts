/**
 * Answers: which hand-picked settings of the build are the fastest here? One factor at a time, then
 * the best levels together, then the finalists again. The winner is measured apart, in the rounds.
 */
import { availableParallelism } from 'node:os';
import { median } from '../../src/measure/stats.ts';
import type { Choice } from '../../src/pipeline.ts';
import { handCommand, planCommand, startDirect, type Settings, type Variables } from './direct.ts';
import { measureSpeed, type Effort, type Speed } from './speed.ts';

export interface Candidate {
  readonly name: string;
  readonly command: (socket: string) => readonly string[];
  readonly variables?: Variables;
}

export interface SweepOptions {
  readonly choice: Choice;
  readonly concurrency: number;
  readonly effort: Effort;
  readonly socket: string;
  readonly isQuick: boolean;
}

/** Less than this is noise of a short measurement, not a reason to change a setting. */
const GAIN_MIN = 1.01;
const FINAL_REPEATS = 3;

const flash = (name: string): Settings => ({
  flash_attn_type: { enum: `llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_${name}` },
});
const load = (name: string): Settings => ({
  load_mode: { enum: `llama_load_mode.LLAMA_LOAD_MODE_${name}` },
});
const threads = (count: number): Settings => ({
  'cpuparams.n_threads': count,
  'cpuparams_batch.n_threads': count,
});
const poll = (level: number): Settings => ({
  'cpuparams.poll': level,
  'cpuparams_batch.poll': level,
});

/** Factor → levels that differ from the build's default. */
function factors(cores: number): Readonly<Record<string, Readonly<Record<string, Settings>>>> {
  const half = Math.max(1, Math.ceil(cores / 2));
  return {
    threads: half === cores ? {} : { [`threads ${half}`]: threads(half) },
    load: { 'load none': load('NONE'), 'load mmap': load('MMAP') },
    poll: { 'poll 0': poll(0), 'poll 100': poll(100) },
    flash: { 'flash on': flash('ENABLED'), 'flash off': flash('DISABLED') },
    batch: {
      'ubatch 128': { n_ubatch: 128 },
      'ubatch 256': { n_ubatch: 256 },
      'ubatch 1024': { n_ubatch: 1024 },
      'batch 512': { n_batch: 512 },
    },
    kv: { 'kv unified': { kv_unified: true } },
    cache: { 'no prompt store': { cache_ram_mib: 0, n_ctx_checkpoints: 0 } },
  };
}

/** What every candidate shares with our plan: context and slots, so that the same is served. */
function baseSettings({ choice }: SweepOptions, cores: number): Settings {
  const { contextTokens, slots } = choice.plan;
  return { n_ctx: contextTokens * slots, n_parallel: slots, ...threads(cores) };
}

/** One of the two whose settings need no sweep to be known. */
export function namedCandidate(name: string, options: SweepOptions): Candidate {
  const { choice } = options;
  const cores = choice.machine.cpu.coresPhysical ?? availableParallelism();
  const known: readonly Candidate[] = [
    {
      name: 'plain',
      command: (socket) => handCommand(choice, socket, baseSettings(options, cores)),
    },
    {
      name: 'our flags',
      command: (socket) => planCommand(choice, socket),
      variables: choice.plan.environment,
    },
  ];
  const found = known.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no candidate is called \`${name}\``);
  return found;
}

export async function findBest(options: SweepOptions): Promise<Candidate> {
  const { choice } = options;
  const cores = choice.machine.cpu.coresPhysical ?? availableParallelism();
  const base = baseSettings(options, cores);
  const hand = (name: string, settings: Settings): Candidate => ({
    name,
    command: (socket) => handCommand(choice, socket, { ...base, ...settings }),
  });
  const plain = namedCandidate('plain', options);
  const ours = namedCandidate('our flags', options);
  const baseline = await tryCandidate(plain, options);
  console.log(`  ${'plain'.padEnd(18)}${words(baseline)}`);
  const score = (speed: Speed): number =>
    Math.sqrt((speed.decode / baseline.decode) * (speed.prefill / baseline.prefill));
  let combined: Settings = {};
  const names: string[] = [];
  for (const levels of Object.values(factors(cores)).slice(0, options.isQuick ? 3 : undefined)) {
    let best: { name: string; settings: Settings; gain: number } | null = null;
    for (const [name, settings] of Object.entries(levels)) {
      const speed = await tryCandidate(hand(name, settings), options);
      const gain = score(speed);
      console.log(`  ${name.padEnd(18)}${words(speed)} ${gain.toFixed(3)}`);
      if (gain > GAIN_MIN && gain > (best?.gain ?? 0)) best = { name, settings, gain };
    }
    if (best === null) continue;
    combined = { ...combined, ...best.settings };
    names.push(best.name);
  }
  const finalists =
    names.length === 0 ? [plain, ours] : [plain, ours, hand(names.join(' + '), combined)];
  return await bestOf(finalists, options, score);
}

async function bestOf(
  finalists: readonly Candidate[],
  options: SweepOptions,
  score: (speed: Speed) => number,
): Promise<Candidate> {
  const scores = new Map<Candidate, number[]>(finalists.map((candidate) => [candidate, []]));
  for (let repeat = 0; repeat < (options.isQuick ? 1 : FINAL_REPEATS); repeat += 1) {
    const order = repeat % 2 === 0 ? finalists : [...finalists].reverse();
    for (const candidate of order) {
      scores.get(candidate)?.push(score(await tryCandidate(candidate, options)));
    }
  }
  let [winner, most] = [finalists[0], 0];
  for (const [candidate, all] of scores) {
    const middle = median(all);
    console.log(`  final ${candidate.name.padEnd(30)} ${middle.toFixed(3)} (n=${all.length})`);
    if (middle > most) [winner, most] = [candidate, middle];
  }
  if (winner === undefined) throw new Error('no candidate');
  return winner;
}

async function tryCandidate(candidate: Candidate, options: SweepOptions): Promise<Speed> {
  const { choice, socket, concurrency, effort } = options;
  const direct = await startDirect(choice, candidate.command(socket), socket, candidate.variables);
  try {
    return await measureSpeed(
      { address: direct.address, choice },
      { concurrency, effort, seed: 1 },
    );
  } finally {
    await direct.stop();
  }
}

function words({ decode, prefill }: Speed): string {
  return `decode ${decode.toFixed(1).padStart(6)} tok/s, prefill ${prefill.toFixed(0).padStart(5)} tok/s`;
}
