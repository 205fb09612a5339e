/** `hyperllama bench`: one prompt, over and over, on the engine it would get: each answer and the spread. */
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { start, type Wanted } from '../pipeline.ts';
import {
  addWorkloadOptions,
  createCommand,
  createContext,
  decimal,
  duration,
  integer,
  workloadFrom,
  type CommonOptions,
  type WorkloadOptions,
} from './shared.ts';
import { addCompanionOptions, companionsFrom, type CompanionOptions } from './companions.ts';

interface Options extends CommonOptions, WorkloadOptions, CompanionOptions {
  readonly engine?: string;
  readonly iterations: number;
  readonly warmup: number;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly timeout?: number;
}

/** Asks for prose of any length, in words every model has seen. */
const PROMPT_DEFAULT = 'Explain step by step how a bicycle stays upright while it is moving.';
/** The figures of five answers show whether they agree; more is the user's choice. */
const ITERATIONS_DEFAULT = 5;
/** The first answers touch memory and code for the first time. */
const WARMUPS_DEFAULT = 2;
/** Long enough for a steady decode, short enough for a slow machine. */
const MAX_TOKENS_DEFAULT = 128;

export default function command(): Command {
  const built = addWorkloadOptions(
    createCommand('bench', 'time one prompt, over and over, on the engine it would get')
      .argument('<model>', 'name, path of a GGUF file or model folder')
      .argument('[prompt...]', 'the prompt; `-` takes stdin; one of ours without it')
      .option(
        '-i, --iterations <n>',
        'answers that count',
        integer('-i', 1, 10_000),
        ITERATIONS_DEFAULT,
      )
      .option('--engine <id>', 'use this engine instead of the decided one'),
  );
  return addCompanionOptions(built)
    .option('--warmup <n>', 'answers before that', integer('--warmup', 0, 1000), WARMUPS_DEFAULT)
    .option(
      '--max-tokens <n>',
      'length of each answer',
      integer('--max-tokens', 1, 1_000_000),
      MAX_TOKENS_DEFAULT,
    )
    .option(
      '--temperature <t>',
      '0 = always the likeliest token',
      decimal('--temperature', 0, 10),
      0,
    )
    .option(
      '--timeout <duration>',
      'longest start of the engine, and longest wait for the first token',
      duration('--timeout'),
    )
    .option('--python <path>', 'Python that runs the engine services')
    .option('--yes', 'answer every question with yes')
    .action(async (model: string, words: readonly string[], options: Options) => {
      const context = await createContext(options);
      await run({ model, words, options }, context);
    });
}

async function run(
  { model, words, options }: { model: string; words: readonly string[]; options: Options },
  context: Context,
): Promise<void> {
  const date = new Date().toISOString();
  const prompt = await promptOf(words);
  const wanted: Wanted = {
    model,
    workload: workloadFrom(options, context),
    engineId: options.engine ?? context.config.engine.value,
    isToRun: true,
    machine: null,
    ...companionsFrom(options),
  };
  const limits = { keepAliveMs: 0, startDeadlineMs: options.timeout ?? null };
  const started = await start(wanted, limits, context);
  await using session = started.session;
  // Late: they bring undici (20 ms), and by now the engine runs.
  const [{ benchPrompt }, { benchJson, printBench }] = await Promise.all([
    import('../measure/bench-prompt.ts'),
    import('./bench-report.ts'),
  ]);
  const progress = context.output.progress();
  const result = await benchPrompt(session, {
    prompt,
    iterations: options.iterations,
    warmups: options.warmup,
    maxTokens: options.maxTokens,
    temperature: options.temperature,
    signal: context.signal,
    firstByteDeadlineMs: options.timeout ?? null,
    onIteration: (kind, number) =>
      progress.phase(
        kind,
        `${number} of ${kind === 'measure' ? options.iterations : options.warmup}`,
      ),
  }).finally(() => progress.stop());
  if (context.output.isJson) context.output.json(benchJson(result, started, date));
  else await printBench(result, { started, options, context });
  for (const warning of result.warnings) context.log.warn(warning.message);
  if (!result.isComplete) process.exitCode = 130;
}

async function promptOf(words: readonly string[]): Promise<string> {
  if (words.length === 0) return PROMPT_DEFAULT;
  if (words.length > 1 || words[0] !== '-') return words.join(' ');
  const { promptFrom } = await import('./prompt.ts');
  return await promptFrom(words);
}
