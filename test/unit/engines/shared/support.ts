/** Small machines, cards and inputs for tests of what the engines share. */
import type { EngineInput } from '../../../../src/engines/engine.ts';
import type { Accelerator, Machine } from '../../../../src/hardware/machine.ts';
import { makeWorkload, type WorkloadOverrides } from '../../../../src/workloads/presets.ts';
import { testModel } from '../../../fixtures/engines/models.ts';
import { testMachine } from '../../../fixtures/machines/load.ts';

export const GIB: number = 1024 ** 3;

/** The recorded machine with this much memory available. */
export function machineWith(bytesAvailable: number | null, extra: Partial<Machine> = {}): Machine {
  const machine = testMachine('recorded-epyc-2core');
  return {
    ...machine,
    memory: { ...machine.memory, bytesAvailable, bytesTotal: bytesAvailable },
    ...extra,
  };
}

export function card(values: Partial<Accelerator> = {}): Accelerator {
  const [first] = testMachine('synthetic-rtx-4090').accelerators;
  if (first === undefined) throw new Error('the fixture has no card');
  return { ...first, ...values };
}

export function inputOf(
  machine: Machine,
  modelName: string,
  overrides: WorkloadOverrides = {},
): EngineInput {
  return {
    machine,
    model: testModel(modelName),
    workload: makeWorkload('chat', overrides),
    installation: null,
  };
}
