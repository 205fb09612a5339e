/** Answers: how `bench` shows what it measured: a table with its spread for people, JSON for scripts. */
import type { Context } from '../base/context.ts';
import { formatBytes, formatDuration } from '../base/units.ts';
import { knownVersion } from '../engines/shared/versions.ts';
import { tokensPerSecond } from '../generate/timing.ts';
import { summarizeSamples, type PromptBenchResult } from '../measure/bench-prompt.ts';
import { remarksOn, type Sample } from '../measure/sample.ts';
import type { Summary } from '../measure/stats.ts';
import type { Started } from '../pipeline.ts';
import { besideJson } from './companions.ts';
import { VERSION } from './help.gen.ts';

export interface Printed {
  readonly started: Started;
  readonly options: {
    readonly iterations: number;
    readonly warmup: number;
    readonly maxTokens: number;
  };
  readonly context: Context;
}

export async function printBench(result: PromptBenchResult, printed: Printed): Promise<void> {
  const { started, options, context } = printed;
  const { output } = context;
  const { plan, decision } = started.choice;
  const { name, artifact } = plan.model;
  const isOurs = plan.attach === undefined;
  if (isOurs) {
    const bare = artifact.quantization === null ? name : `${name} ${artifact.quantization}`;
    const model = plan.draft === null ? bare : `${bare}, draft ${plan.draft.name}`;
    output.text(
      `${decision.engine.name} ${plan.engine.version} (${plan.device}) · ${model} · ${plan.contextTokens} tokens of context\n\n`,
    );
  } else {
    output.text(`${decision.engine.name} (unmanaged, ${plan.attach.url}) · ${name}\n\n`);
  }
  output.text(await table(result.samples, context));
  if (isOurs) output.text(`\nstart   ${startText(started)}\nmemory  ${memoryText(started)}\n`);
  const { length } = result.samples;
  const isFull = result.samples.every(({ outputTokens }) => outputTokens === options.maxTokens);
  const method = `${count(length, 'answer')} of ${isFull ? '' : 'at most '}${options.maxTokens} tokens after ${count(options.warmup, 'warm-up')}, one at a time, each prompt opened with a fresh number so that no prefix is reused`;
  const notes = [
    ...(result.isComplete ? [] : [`stopped after ${length} of ${options.iterations} answers`]),
    method,
    ...(isOurs ? [] : [UNMANAGED_NOTE]),
    ...(isOurs && started.session.facts.isAttached
      ? ['joined a running engine: others may have used it']
      : []),
    ...remarksOn(result.samples),
    'one engine on its own: this ranks nothing',
  ];
  for (const note of notes) output.note(output.style.dim(` ${note}`));
}

const UNMANAGED_NOTE =
  'unmanaged: the weights, settings and other users of this server are unknown here';

async function table(samples: readonly Sample[], { output }: Context): Promise<string> {
  if (samples.length === 0) return 'nothing was measured\n';
  const summary = summarizeSamples(samples);
  const rows = samples.map((sample, index) => [
    String(index + 1),
    ms(sample.ttftMs),
    ms(sample.tpotMs),
    perSecond(tokensPerSecond(sample)),
    ms(sample.totalMs),
    sample.promptTokens === null ? 'n/a' : String(sample.promptTokens),
    String(sample.outputTokens),
  ]);
  const footer = (name: string, value: (of: Summary) => number | null): readonly string[] => {
    const cell = (of: Summary | null): number | null => (of === null ? null : value(of));
    return [
      name,
      ms(cell(summary.ttftMs)),
      ms(cell(summary.tpotMs)),
      perSecond(cell(summary.tokensPerSecond)),
      ms(cell(summary.totalMs)),
      '',
      '',
    ];
  };
  rows.push(
    [...footer('mean', (of) => of.mean)],
    [...footer('sd', (of) => of.standardDeviation)],
    [...footer('least', (of) => of.min)],
    [...footer('most', (of) => of.max)],
  );
  return await output.table(
    ['#', 'TTFT ms', 'TPOT ms', 'TOK/S', 'TOTAL ms', 'PROMPT', 'OUTPUT'],
    rows,
  );
}

function startText({ spent, session }: Started): string {
  const { startMs, isAttached } = session.facts;
  const load = isAttached
    ? 'load n/a (joined a running engine)'
    : `load ${formatDuration(startMs)}`;
  return `download ${formatDuration(spent.downloadMs)} · install ${formatDuration(spent.installMs)} · ${load}`;
}

function memoryText({ choice }: Started): string {
  const { weights, kvCache } = choice.plan.memoryBytes;
  return `weights ${formatBytes(weights)} · KV cache ${formatBytes(kvCache)}`;
}

/** `hyperllama.bench/1`; `date` is when the command began, ISO 8601. */
export function benchJson(result: PromptBenchResult, started: Started, date: string): unknown {
  const { choice, session, spent } = started;
  const { plan, machine } = choice;
  const isUnmanaged = plan.attach !== undefined;
  return {
    schema: 'hyperllama.bench/1',
    isComplete: result.isComplete,
    manifest: { version: VERSION, machine, date, argv: process.argv.slice(2) },
    cells: [
      {
        engine: { id: plan.engine.id, version: knownVersion(plan.engine.version), isUnmanaged },
        ...besideJson(plan),
        iterations: result.samples.map(
          ({ ttftMs, tpotMs, totalMs, promptTokens, outputTokens }) => ({
            ttftMs,
            tpotMs,
            totalMs,
            promptTokens,
            outputTokens,
          }),
        ),
        start: {
          downloadMs: spent.downloadMs,
          installMs: spent.installMs,
          loadMs: session.facts.isAttached ? null : session.facts.startMs,
        },
        memory: {
          weightsBytes: isUnmanaged ? null : plan.memoryBytes.weights,
          kvCacheBytes: isUnmanaged ? null : plan.memoryBytes.kvCache,
        },
      },
    ],
    comparisons: [],
  };
}

function ms(value: number | null): string {
  if (value === null) return 'n/a';
  return value.toFixed(value < 100 ? 2 : 0);
}

function perSecond(value: number | null): string {
  return value === null ? 'n/a' : value.toFixed(1);
}

function count(n: number, word: string): string {
  return `${n} ${n === 1 ? word : `${word}s`}`;
}
