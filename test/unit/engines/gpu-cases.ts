/** Inputs that reach what an engine's plan can hold: families, needs, crowds, odd numbers of cards. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import type { Engine, EngineInput, EnginePlan } from '../../../src/engines/engine.ts';
import type { Machine } from '../../../src/hardware/machine.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';
import type { Workload } from '../../../src/workloads/workload.ts';
import { plansOf } from '../../contract/cases.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';

export function engineOf(id: string): Engine {
  const engine = ENGINES.find((candidate) => candidate.id === id);
  if (engine === undefined) throw new Error(`no engine ${id}`);
  return engine;
}

/** @throws with the reasons when the engine refuses */
export function planOf(engine: Engine, input: EngineInput): EnginePlan {
  const verdict = engine.check(input);
  if (!verdict.isOk) throw new Error(verdict.reasons.map(({ because }) => because).join('; '));
  return engine.plan(input, verdict);
}

export function valueOf(plan: EnginePlan, name: string): string | null | undefined {
  return plan.args.find(({ flag }) => flag === name)?.value;
}

export const hasFlag = (plan: EnginePlan, name: string): boolean =>
  plan.args.some(({ flag }) => flag === name);

/** The machine with only its first `count` cards. */
export function withCards(machine: Machine, count: number): Machine {
  return { ...machine, accelerators: machine.accelerators.slice(0, count) };
}

/** Of one family: an architecture, and a name that may tell its kind. */
export function ofFamily(base: string, architecture: string, name: string = base): ModelInfo {
  return { ...testModel(base), architecture, name };
}

const FAMILIES: readonly (readonly [string, string])[] = [
  ['llama', 'Llama-3.1-8B-Instruct'],
  ['llama', 'DeepSeek-R1-Distill-Llama-8B'],
  ['llama4', 'Llama-4-Scout'],
  ['qwen2', 'Qwen2.5-7B-Instruct'],
  ['qwen3', 'Qwen3-8B'],
  ['qwen3_moe', 'Qwen3-Coder-30B-A3B-Instruct'],
  ['qwen3_next', 'Qwen3-Next-80B-A3B-Instruct'],
  ['qwen3_5', 'Qwen3.5-9B'],
  ['mistral', 'Mistral-Small-24B-Instruct-2501'],
  ['mistral', 'Magistral-Small-2509'],
  ['deepseek_v3', 'DeepSeek-V3'],
  ['deepseek_v32', 'DeepSeek-V3.2'],
  ['deepseek_v4', 'DeepSeek-V4'],
  ['gpt_oss', 'gpt-oss-20b'],
  ['glm4_moe', 'GLM-4.6'],
  ['kimi_k2', 'Kimi-K2-Thinking'],
  ['minimax_m2', 'MiniMax-M2'],
  ['seed_oss', 'Seed-OSS-36B'],
  ['granite', 'granite-3.3-8b-instruct'],
  ['gemma4', 'gemma-4-12b-it'],
  ['olmo3', 'Olmo-3-7B-Instruct'],
];

const WORKLOADS: readonly Workload[] = [
  makeWorkload('agent'),
  makeWorkload('batch', { concurrency: 128 }),
  makeWorkload('chat', { needs: ['lora'] }),
  makeWorkload('chat', { needs: ['vision'] }),
];

const MACHINES: readonly Machine[] = [
  ...['recorded-epyc-2core', 'synthetic-8x-h100', 'synthetic-2x-rtx-3090', 'synthetic-mi300x'].map(
    (name) => testMachine(name),
  ),
  withCards(testMachine('synthetic-4x-rtx-4090'), 3),
];

/** Plans of the contract's cases, of all families, and of the machines above. */
export function manyPlans(engine: Engine): readonly EnginePlan[] {
  const bases = ['dense-8b-all', 'dense-8b-exl2', 'dense-70b-all'];
  const models: readonly ModelInfo[] = [
    ...bases.flatMap((base) => FAMILIES.map(([family, name]) => ofFamily(base, family, name))),
    ...['vision-8b', 'moe-30b-all', 'mla-671b'].map((name) => testModel(name)),
    { ...testModel('dense-8b-all'), hasVision: true },
  ];
  const inputs = MACHINES.flatMap((machine) =>
    models.flatMap((model) =>
      WORKLOADS.map((workload): EngineInput => ({ machine, model, workload, installation: null })),
    ),
  );
  const more = inputs.flatMap((input) => {
    const verdict = engine.check(input);
    return verdict.isOk ? [engine.plan(input, verdict)] : [];
  });
  return [...plansOf(engine).map(({ plan }) => plan), ...more];
}

/** What stands in quotes in these files of `src/engines/`. */
export function literalsOf(files: readonly string[], pattern: RegExp): readonly string[] {
  const folder = new URL('../../../src/engines/', import.meta.url);
  const found = files.flatMap((file) => [
    ...readFileSync(fileURLToPath(new URL(file, folder)), 'utf8').matchAll(pattern),
  ]);
  return [...new Set(found.map((match) => match[1] ?? ''))].sort();
}
