/** The decision is total and the same for the same case, over machines, models and work at random. */
import {
  assert,
  boolean,
  constantFrom,
  integer,
  option,
  property,
  record,
  subarray,
  double,
} from '../../support/property.ts';
import type { Arbitrary } from '../../support/property.ts';
import { describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import {
  decide,
  engineInput,
  type DecideInput,
  type Decision,
} from '../../../src/decision/decide.ts';
import { explainDecision } from '../../../src/decision/explain.ts';
import { TREE, treeRow } from '../../../src/decision/tree.ts';
import { situationOf } from '../../../src/decision/situation.ts';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import type { Machine } from '../../../src/hardware/machine.ts';
import type { ModelInfo } from '../../../src/models/model.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';
import { WORKLOAD_NAMES, type Workload } from '../../../src/workloads/workload.ts';
import { TEST_MODELS } from '../../fixtures/engines/models.ts';
import { MACHINE_NAMES, testMachine } from '../../fixtures/machines/load.ts';

const RUNS = process.env['HYPERLLAMA_TEST_SIZE'] === 'full' ? 20_000 : 400;

/** A machine of the fixtures with another's memory and cards: most of them exist nowhere. */
const machines: Arbitrary<Machine> = record({
  base: constantFrom(...MACHINE_NAMES),
  cardsFrom: constantFrom(...MACHINE_NAMES),
  memoryFrom: constantFrom(...MACHINE_NAMES),
  nodes: constantFrom(1, 1, 1, 2, 8),
  isForgetful: boolean(),
}).map(({ base, cardsFrom, memoryFrom, nodes, isForgetful }) => ({
  ...testMachine(base),
  memory: testMachine(memoryFrom).memory,
  accelerators: testMachine(cardsFrom).accelerators.map((card) =>
    isForgetful ? { ...card, memoryBytesFree: null, memoryBytesTotal: null, class: null } : card,
  ),
  nodes,
}));

const models: Arbitrary<ModelInfo> = record({
  model: constantFrom(...TEST_MODELS),
  isForgetful: boolean(),
}).map(({ model, isForgetful }) =>
  isForgetful
    ? {
        ...model,
        attention: null,
        parametersTotal: null,
        parametersActive: null,
        contextTokensMax: null,
        architecture: null,
        artifacts: model.artifacts.map((one) => ({
          ...one,
          weights: null,
          bytesOnDisk: null,
          path: null,
        })),
      }
    : model,
);

const workloads: Arbitrary<Workload> = record({
  name: constantFrom(...WORKLOAD_NAMES),
  concurrency: integer({ min: 1, max: 200 }),
  promptTokens: integer({ min: 0, max: 200_000 }),
  outputTokens: integer({ min: 0, max: 20_000 }),
  sharedPrefixShare: double({ min: 0, max: 1, noNaN: true }),
  goal: constantFrom('latency', 'throughput', 'memory', 'cost'),
  needs: subarray(['structured-output', 'tools', 'lora', 'vision', 'logprobs'] as const),
  stability: constantFrom('changing', 'frozen'),
  portability: constantFrom('here', 'any-vendor'),
  contextTokens: option(integer({ min: 1, max: 2_000_000 })),
  device: constantFrom('auto', 'cpu', 'gpu'),
}).map(({ name, ...overrides }) => makeWorkload(name, overrides));

const inputs: Arbitrary<DecideInput> = record({
  machine: machines,
  model: models,
  workload: workloads,
}).map((facts) => ({ ...facts, engines: ENGINES, installations: new Map() }));

/** The decision, or `null` when nothing fits; every other error is a failure. */
function decideOrNull(input: DecideInput): Decision | null {
  try {
    return decide(input);
  } catch (error) {
    if (error instanceof HyperLlamaError && error.code === 'HL_NO_ENGINE_FITS') return null;
    throw error;
  }
}

describe('decide, for any case', () => {
  it('chooses or says that nothing fits, the same each time, with a plan that JSON can hold', () => {
    assert(
      property(inputs, (input) => {
        const { machine, model, workload } = structuredClone({ ...input, engines: [] });
        const copied = { ...input, machine, model, workload };
        const decision = decideOrNull(input);
        if (decision === null) return true;
        const plan = decision.engine.plan(engineInput(input, decision.engine), decision.verdict);
        const again = decideOrNull(copied);
        expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
        expect(again?.row).toBe(decision.row);
        expect(again?.verdict).toEqual(decision.verdict);
        return (
          decision.because.length > 0 &&
          explainDecision({ decision, plan, workload }).endsWith('\n')
        );
      }),
      { numRuns: RUNS },
    );
  });

  it('never shrinks a context that was asked for', () => {
    assert(
      property(inputs, (input) => {
        const asked = input.workload.contextTokens;
        const decision = decideOrNull(input);
        return decision === null || asked === null || decision.verdict.contextTokens === asked;
      }),
      { numRuns: RUNS },
    );
  });

  it('chooses an engine that has everything the workload needs', () => {
    assert(
      property(inputs, (input) => {
        const decision = decideOrNull(input);
        return input.workload.needs.every((need) => decision?.engine.traits.includes(need) ?? true);
      }),
      { numRuns: RUNS },
    );
  });

  it('finds a row of the tree even where no engine is left', () => {
    assert(
      property(inputs, (input) => {
        const row = treeRow(situationOf(input, []));
        return TREE.includes(row);
      }),
      { numRuns: RUNS },
    );
  });
});
