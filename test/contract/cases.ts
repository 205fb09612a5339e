/** The machines, models and workloads every engine is judged with, and what came of it. */
import type { Engine, EngineInput, EnginePlan, Reason } from '../../src/engines/engine.ts';
import type { VerdictOk } from '../../src/engines/engine.ts';
import { makeWorkload } from '../../src/workloads/presets.ts';
import type { Workload } from '../../src/workloads/workload.ts';
import type { ModelInfo } from '../../src/models/model.ts';
import { TEST_MODELS, testModel } from '../fixtures/engines/models.ts';
import { MACHINE_NAMES, testMachine } from '../fixtures/machines/load.ts';

const WORKLOADS: readonly Workload[] = [
  makeWorkload('chat'),
  makeWorkload('agent', { concurrency: 16 }),
  makeWorkload('batch', { contextTokens: 16_384 }),
  makeWorkload('embed'),
  makeWorkload('rerank'),
  makeWorkload('chat', { needs: ['structured-output', 'lora'], device: 'cpu' }),
  makeWorkload('chat', { contextTokens: 1_000_000, device: 'gpu' }),
];

/** Parts of the paths of what stands beside a model. */
export const DRAFT_NAME = 'small-one';
export const ADAPTER_NAME = 'polite-words';

/** A model of 8 B parameters with what may be loaded beside it. */
const ACCOMPANIED: readonly ModelInfo[] = ['dense-8b-all', 'dense-8b-exl3'].flatMap((name) => {
  const model = testModel(name);
  const draft = {
    ...model,
    artifacts: model.artifacts.map((artifact) => ({
      ...artifact,
      path: `/models/${DRAFT_NAME}-${artifact.format}`,
    })),
  };
  const adapter = {
    name: 'a',
    rank: 16,
    hiddenSize: 4096,
    bytesOnDisk: 80_000_000,
    modifiedAtMs: 0,
  } as const;
  return [
    { ...model, draft },
    {
      ...model,
      adapter: { ...adapter, path: `/adapters/${ADAPTER_NAME}.gguf`, format: 'gguf' as const },
    },
    {
      ...model,
      adapter: { ...adapter, path: `/adapters/${ADAPTER_NAME}`, format: 'safetensors' as const },
    },
    { ...model, draft: { ...model, vocabularySize: 7 } },
  ];
});

const INPUTS: readonly { readonly label: string; readonly input: EngineInput }[] =
  MACHINE_NAMES.flatMap((name) => {
    const machine = testMachine(name);
    return [...TEST_MODELS, ...ACCOMPANIED].flatMap((model) =>
      WORKLOADS.map((workload) => ({
        label: `${name} × ${model.name} × ${workload.name}`,
        input: { machine, model, workload, installation: null },
      })),
    );
  });

interface Accepted {
  readonly label: string;
  readonly input: EngineInput;
  readonly verdict: VerdictOk;
}

interface Judged {
  readonly accepted: readonly Accepted[];
  readonly refused: readonly { readonly label: string; readonly reasons: readonly Reason[] }[];
}

const judgedOf = new Map<Engine, Judged>();

function judge(engine: Engine): Judged {
  const known = judgedOf.get(engine);
  if (known !== undefined) return known;
  const verdicts = INPUTS.map((entry) => ({ ...entry, verdict: engine.check(entry.input) }));
  const judged: Judged = {
    accepted: verdicts.flatMap(({ label, input, verdict }) =>
      verdict.isOk ? [{ label, input, verdict }] : [],
    ),
    refused: verdicts.flatMap(({ label, verdict }) =>
      verdict.isOk ? [] : [{ label, reasons: verdict.reasons }],
    ),
  };
  judgedOf.set(engine, judged);
  return judged;
}

export const acceptedCases = (engine: Engine): readonly Accepted[] => judge(engine).accepted;
export const refusedCases = (engine: Engine): Judged['refused'] => judge(engine).refused;

/** A plan, and a second one of the same input, for every accepted case. */
export function plansOf(
  engine: Engine,
): readonly { readonly label: string; readonly plan: EnginePlan; readonly again: EnginePlan }[] {
  return acceptedCases(engine).map(({ label, input, verdict }) => ({
    label,
    plan: engine.plan(input, verdict),
    again: engine.plan(structuredClone(input), structuredClone(verdict)),
  }));
}
