/**
 * Answers: what a one-off `generate` costs beside the bare engine (G20), and how much later than
 * the engine itself we call it ready (G14). Interleaved; the bare side is started with our flags.
 */
import { spawn } from 'node:child_process';
import { summarize } from '../../src/measure/stats.ts';
import { start, type Choice, type Wanted } from '../../src/pipeline.ts';
import type { Context } from '../../src/base/context.ts';
import { planCommand, startDirect, type Variables } from './direct.ts';
import { printGoal, ratioOf, ratioText, spread } from './report.ts';
import { answersOf } from './speed.ts';
import { EMPTY_REQUEST } from '../../src/engines/request.ts';

export interface ColdOptions {
  readonly wanted: Wanted;
  readonly choice: Choice;
  readonly context: Context;
  readonly socket: string;
  readonly rounds: number;
  /** The built program. */
  readonly cli: string;
  readonly tokens: number;
}

const PROMPT = 'Why is the sky blue?';
/** A start of 0.5 s and a few dozen tokens; a machine that needs longer is not measured here. */
const GENERATE_DEADLINE_MS = 300_000;

/** Rounds that are not counted: page cache, compile cache. */
const WARMUPS = 1;

export async function measureGenerate(options: ColdOptions): Promise<void> {
  console.log(
    `\n## G20: \`generate\` from a cold start ÷ the bare engine, ${options.tokens} tokens`,
  );
  console.log('   ours: spawn of the program to its exit, the end of the engine included');
  console.log(
    "   bare: our plan's flags; spawn, ready line, one warm-up token, the same tokens; its end is not counted",
  );
  console.log("   tuned: the same with the plan's environment variables too");
  const sides: readonly Side[] = [
    { name: 'ours', once: async () => await generateOnce(options), timesMs: [] },
    { name: 'bare', once: async () => await directOnce({}, options), timesMs: [] },
    {
      name: 'tuned',
      once: async () => await directOnce(options.choice.plan.environment, options),
      timesMs: [],
    },
  ];
  for (let round = -WARMUPS; round < options.rounds; round += 1) {
    const texts = new Set<string>();
    // Each side is first, second and last equally often.
    const first = (round + WARMUPS) % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      const { text, tookMs } = await side.once();
      texts.add(text.trim());
      if (round >= 0) side.timesMs.push(tookMs);
    }
    if (texts.size > 1)
      console.log(`   round ${round}: the texts differ: ${[...texts].join(' | ')}`);
  }
  for (const { name, timesMs } of sides) console.log(`${name.padEnd(9)} ms ${spread(timesMs)}`);
  const [ours, ...others] = sides;
  for (const { name, timesMs } of others) {
    const oursMs = ours?.timesMs ?? [];
    console.log(`ours ÷ ${name}, paired: ${ratioText(ratioOf(oursMs, timesMs))}`);
    const value = medianOf(oursMs) / medianOf(timesMs);
    const what = `generate ÷ ${name}, medians`;
    printGoal({ id: 'G20', what, value, limit: 1.15, is: 'at most' });
  }
}

interface Side {
  readonly name: string;
  readonly once: () => Promise<Timed>;
  readonly timesMs: number[];
}

export async function measureReady(options: ColdOptions): Promise<void> {
  const { wanted, context, choice, socket } = options;
  console.log("\n## G14: our ready time − (the engine's own ready line + the one-token proof)");
  const [spawned, called, own]: [number[], number[], number[]] = [[], [], []];
  const oursOnce = async (isCounted: boolean): Promise<void> => {
    const begun = performance.now();
    const { session } = await start(wanted, { keepAliveMs: 0, startDeadlineMs: null }, context);
    const tookMs = performance.now() - begun;
    await session.release();
    if (session.facts.isAttached) throw new Error('an engine was running already');
    if (!isCounted) return;
    spawned.push(session.facts.startMs);
    called.push(tookMs);
  };
  const ownOnce = async (isCounted: boolean): Promise<void> => {
    const command = planCommand(choice, socket);
    const direct = await startDirect(choice, command, socket, choice.plan.environment);
    await direct.stop();
    if (isCounted) own.push(direct.readyLineMs + direct.firstTokenMs);
  };
  for (let round = -WARMUPS; round < options.rounds; round += 1) {
    const order = round % 2 === 0 ? [oursOnce, ownOnce] : [ownOnce, oursOnce];
    for (const once of order) await once(round >= 0);
  }
  console.log(`ours, spawn of the engine to ready   ms ${spread(spawned)}`);
  console.log(`ours, call to ready (decision, plan, guard) ms ${spread(called)}`);
  console.log(`engine alone, spawn to first token   ms ${spread(own)}`);
  const differences = spawned.map((value, index) => value - (own[index] ?? Number.NaN));
  console.log(`paired difference from the spawn     ms ${spread(differences)}`);
  const what = 'ready − (ready line + one token), median of pairs';
  const value = medianOf(differences);
  printGoal({ id: 'G14', what, value, limit: 50, is: 'at most', unit: ' ms' });
}

interface Timed {
  readonly tookMs: number;
  readonly text: string;
}

async function generateOnce({ cli, wanted, tokens }: ColdOptions): Promise<Timed> {
  const words = ['generate', modelRef(wanted), PROMPT, '--max-tokens', String(tokens)];
  const args = [cli, ...words, '--temperature', '0', '--quiet'];
  const begun = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), GENERATE_DEADLINE_MS);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const tookMs = performance.now() - begun;
  clearTimeout(timer);
  if (code !== 0) throw new Error(`\`generate\` ended with ${code ?? 'a signal'}`);
  return { tookMs, text };
}

async function directOnce(
  variables: Variables,
  { choice, socket, tokens }: ColdOptions,
): Promise<Timed> {
  const request = {
    ...EMPTY_REQUEST,
    messages: [{ role: 'user' as const, content: PROMPT }],
    maxTokens: tokens,
    temperature: 0,
  };
  const begun = performance.now();
  const direct = await startDirect(choice, planCommand(choice, socket), socket, variables);
  try {
    const target = { address: direct.address, choice };
    const { answers } = await answersOf(target, { concurrency: 1, requests: [request] });
    const tookMs = performance.now() - begun;
    return { tookMs, text: answers[0]?.text ?? '' };
  } finally {
    await direct.stop();
  }
}

function medianOf(values: readonly number[]): number {
  return summarize(values)?.median ?? Number.NaN;
}

function modelRef({ model }: Wanted): string {
  return typeof model === 'string' ? model : model.ref;
}
