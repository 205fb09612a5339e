/** `hyperllama generate`: one-off prompt: resolve → decide → start → stream → footer. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { errnoOf, fail } from '../base/errors.ts';
import { formatBytes, formatDuration } from '../base/units.ts';
import type { Part, Usage } from '../engines/parts.ts';
import { DRAFT_LARGER_CODE } from '../engines/shared/fit.ts';
import { knownVersion } from '../engines/shared/versions.ts';
import { EMPTY_REQUEST, type GenerateRequest, type Message } from '../engines/request.ts';
import type { GenerateResult } from '../generate/generate.ts';
import { outputTokens, timingOf, tokensPerSecond } from '../generate/timing.ts';
import { choose, start, type Choice, type Started, type Wanted } from '../pipeline.ts';
import { promptFrom } from './prompt.ts';
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
import {
  addCompanionOptions,
  besideJson,
  companionsFrom,
  type CompanionOptions,
} from './companions.ts';

interface Options extends CommonOptions, WorkloadOptions, CompanionOptions {
  readonly engine?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly system?: string;
  readonly schema?: string;
  readonly timeout?: number;
  readonly keepAlive?: number;
  readonly dryRun?: boolean;
}

export default function command(): Command {
  const built = addWorkloadOptions(
    createCommand('generate', 'answer one prompt with the right engine')
      .alias('run')
      .argument('<model>', 'name, path of a GGUF file or model folder')
      .argument('[prompt...]', 'the prompt; text on stdin is put before it, `-` takes stdin only')
      .option('--engine <id>', 'use this engine instead of the decided one'),
  );
  return addCompanionOptions(built)
    .option('--max-tokens <n>', 'end after so many tokens', integer('--max-tokens', 1, 10_000_000))
    .option('--temperature <t>', '0 = always the likeliest token', decimal('--temperature', 0, 10))
    .option('--top-p <p>', 'sample from this part of the probability', decimal('--top-p', 0, 1))
    .option('--seed <n>', 'repeatable sampling', integer('--seed', 0, 2 ** 32 - 1))
    .option('--stop <text>', 'end before this text appears; may be repeated', collect)
    .option('--system <text>', 'system prompt')
    .option('--schema <json>', 'JSON schema the answer must match, as text or file')
    .option(
      '--timeout <duration>',
      'longest start of the engine, and longest wait for the first token',
      duration('--timeout'),
    )
    .option(
      '--keep-alive <duration>',
      'leave the engine running so long for the next question (default: not at all)',
      // What a guard takes.
      duration('--keep-alive', 31),
    )
    .option('--python <path>', 'Python that runs the engine services')
    .option('--dry-run', 'show the plan and stop')
    .option('--yes', 'answer every question with yes')
    .action(async (model: string, words: readonly string[], options: Options) => {
      const context = await createContext(options);
      await run({ model, words, options }, context);
    });
}

/** For options that may be repeated. */
function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

async function run(
  { model, words, options }: { model: string; words: readonly string[]; options: Options },
  context: Context,
): Promise<void> {
  const wanted: Wanted = {
    model,
    workload: workloadFrom(options, context),
    engineId: options.engine ?? context.config.engine.value,
    isToRun: true,
    machine: null,
    ...companionsFrom(options),
  };
  if (options.dryRun === true) {
    const { printPlan } = await import('./plan.ts');
    return await printPlan([await choose(wanted, context)], context);
  }
  const request = await buildRequest(words, options);
  const limits = { keepAliveMs: options.keepAlive ?? 0, startDeadlineMs: options.timeout ?? null };
  const started = await start(wanted, limits, context);
  await using session = started.session;
  const { output } = context;
  if (!output.isJson) output.note(headline(started.choice, context));
  const { generate } = await import('../generate/generate.ts');
  const writer = createWriter(context);
  const result = await generate(session, request, {
    signal: context.signal,
    firstByteDeadlineMs: options.timeout ?? null,
    contextTokensMax: started.choice.model.contextTokensMax,
    onPart: (part) => writer.part(part),
  }).finally(() => writer.end());
  for (const warning of result.warnings) context.log.warn(warning.message);
  if (output.isJson) output.json(resultJson(result, started));
  else output.note(footer(result, started, { context, keepAliveMs: session.keepAliveMs }));
  if (result.finishReason === 'cancelled') process.exitCode = 130;
}

async function buildRequest(words: readonly string[], options: Options): Promise<GenerateRequest> {
  const schema = options.schema === undefined ? null : await readSchema(options.schema);
  const prompt = await promptFrom(words);
  const system: readonly Message[] =
    options.system === undefined ? [] : [{ role: 'system', content: options.system }];
  return {
    ...EMPTY_REQUEST,
    messages: [...system, { role: 'user', content: prompt }],
    maxTokens: options.maxTokens ?? null,
    temperature: options.temperature ?? null,
    topP: options.topP ?? null,
    seed: options.seed ?? null,
    stop: options.stop ?? [],
    schema,
  };
}

async function readSchema(text: string): Promise<Readonly<Record<string, unknown>>> {
  const expected = 'a JSON schema, as text or as the path of a file';
  const invalid = (): never =>
    fail('HL_OPTION_INVALID', { option: '--schema', value: text, expected });
  let json = text;
  if (!text.trimStart().startsWith('{')) {
    try {
      json = await readFile(text, 'utf8');
    } catch (error) {
      if (errnoOf(error) === null) throw error;
      return invalid();
    }
  }
  try {
    const value = JSON.parse(json) as unknown;
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
  } catch {
    return invalid();
  }
  return invalid();
}

/** Streams text to stdout as it comes; reasoning goes to stderr, so that stdout is the answer. */
function createWriter({ output }: Context): {
  part: (part: Part) => void;
  end: () => void;
} {
  let last = '\n';
  let isReasoning = false;
  const progress = output.progress();
  let isPrefilling = false;
  return {
    part: (part) => {
      if (output.isJson) return;
      if (part.kind === 'prefill') {
        if (!isPrefilling) progress.phase('prefill');
        isPrefilling = true;
        progress.update(
          `${part.tokensDone} of ${part.tokensTotal} tokens`,
          part.tokensDone / part.tokensTotal,
        );
      } else if (part.kind === 'reasoning') {
        progress.stop();
        isReasoning = true;
        if (!output.isQuiet) process.stderr.write(output.style.dim(part.text));
      } else if (part.kind === 'text') {
        progress.stop();
        if (isReasoning && !output.isQuiet) process.stderr.write('\n');
        isReasoning = false;
        output.part(part.text);
        last = part.text.at(-1) ?? last;
      }
    },
    end: () => {
      progress.stop();
      if (last !== '\n') output.part('\n');
    },
  };
}

/** Always said: a better engine that this version cannot start, a draft that saves no time. */
const ALWAYS_SAID: readonly string[] = ['better-not-driven', DRAFT_LARGER_CODE];

/** ` engine llama.cpp (CPU, AVX-512)   model … Q4_1 94 MiB   why: …` */
function headline({ decision, plan, machine }: Choice, { output }: Context): string {
  const { artifact, name } = plan.model;
  if (plan.attach !== undefined) {
    const server = `${decision.engine.name} (unmanaged, ${plan.attach.url})`;
    const asked = name === plan.model.ref ? '' : ` (asked for ${plan.model.ref})`;
    return output.style.dim(` engine ${server}   model ${name}${asked}`);
  }
  const device = plan.device === 'cpu' ? cpuWords(machine.cpu.isa) : plan.device;
  const size = artifact.bytesOnDisk === null ? '' : ` ${formatBytes(artifact.bytesOnDisk)}`;
  const quantization = artifact.quantization === null ? '' : ` ${artifact.quantization}`;
  // The first reason is the tree's; the others are in `--json` and `plan`.
  const why = decision.because
    .filter(({ code }, index) => index === 0 || ALWAYS_SAID.includes(code))
    .map(({ because }) => because)
    .join('; ');
  const draft = plan.draft === null ? '' : `, draft ${plan.draft.name}`;
  const line = ` engine ${decision.engine.name} (${device})   model ${name}${quantization}${size}${draft}   why: ${why}`;
  return output.style.dim(line);
}

function cpuWords(isa: readonly string[]): string {
  if (isa.includes('amx-int8')) return 'CPU, AMX';
  if (isa.includes('avx512f')) return 'CPU, AVX-512';
  if (isa.includes('avx2')) return 'CPU, AVX2';
  if (isa.includes('neon')) return 'CPU, NEON';
  return 'CPU';
}

function footer(
  result: GenerateResult,
  { choice, session }: Started,
  { context, keepAliveMs }: { readonly context: Context; readonly keepAliveMs: number },
): string {
  const { output } = context;
  const timing = timingOf(result);
  const speed = tokensPerSecond(timing);
  const tokens = outputTokens(result);
  const { contextTokens, attach } = choice.plan;
  const isOurs = attach === undefined;
  const parts = [
    `${tokens} tok`,
    speed === null ? null : `${speed.toFixed(1)} tok/s`,
    timing.ttftMs === null ? null : `TTFT ${formatDuration(timing.ttftMs)}`,
    result.usage === null ? null : `prompt ${result.usage.promptTokens} tok`,
    draftWords(result.usage?.draft),
    isOurs ? startWords(session.facts) : 'unmanaged',
    result.usage === null || !isOurs
      ? null
      : `ctx ${result.usage.promptTokens + tokens}/${contextTokens}`,
    keepAliveMs === 0 || !isOurs ? null : `stays for ${formatDuration(keepAliveMs)}`,
    result.finishReason === 'length' ? 'cut at the token limit' : null,
    result.finishReason === 'cancelled' ? 'cancelled' : null,
  ];
  return output.style.dim(` ${parts.filter((part) => part !== null).join(' · ')}`);
}

function draftWords(draft: Usage['draft'] | undefined): string | null {
  return draft === undefined ? null : `draft ${draft.accepted} of ${draft.proposed} tokens taken`;
}

function startWords({ isAttached, startMs }: Started['session']['facts']): string {
  return isAttached ? 'joined a running engine' : `start ${formatDuration(startMs)}`;
}

/** Microseconds are noise: three decimals of a millisecond are what the clock is good for. */
function roundTimes(times: Readonly<Record<string, number | null>>): object {
  const round = (value: number | null): number | null =>
    value === null ? null : Math.round(value * 1000) / 1000;
  return Object.fromEntries(Object.entries(times).map(([key, value]) => [key, round(value)]));
}

function resultJson(result: GenerateResult, { choice, session }: Started): unknown {
  const { plan, decision } = choice;
  const { artifact } = plan.model;
  const timing = timingOf(result);
  const isUnmanaged = plan.attach !== undefined;
  return {
    schema: 'hyperllama.generate/1',
    text: result.text,
    reasoning: result.reasoning === '' ? null : result.reasoning,
    finishReason: result.finishReason,
    engine: { id: plan.engine.id, version: knownVersion(plan.engine.version), isUnmanaged },
    model: {
      ref: plan.model.ref,
      // What a server that is not ours has loaded, we do not know.
      format: isUnmanaged ? null : artifact.format,
      quantization: isUnmanaged ? null : artifact.quantization,
      sha256: isUnmanaged ? null : artifact.sha256,
      ...(isUnmanaged ? { served: plan.model.name } : {}),
      ...besideJson(plan),
    },
    usage: {
      promptTokens: result.usage?.promptTokens ?? null,
      outputTokens: outputTokens(result),
      ...(result.usage?.draft === undefined ? {} : { draft: result.usage.draft }),
    },
    timing: roundTimes({ startMs: session.facts.startMs, ...timing }),
    warnings: result.warnings,
    decision: { because: decision.because },
  };
}
