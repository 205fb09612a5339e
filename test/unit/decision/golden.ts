/** Reads and judges the rows of `golden.json`: machine × model × workload → engine and reason. */
import { readFileSync } from 'node:fs';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import { decide, type DecideInput } from '../../../src/decision/decide.ts';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import { makeWorkload, type WorkloadOverrides } from '../../../src/workloads/presets.ts';
import type { WorkloadName } from '../../../src/workloads/workload.ts';
import { testModel } from '../../fixtures/engines/models.ts';
import { testMachine } from '../../fixtures/machines/load.ts';

export interface GoldenCase {
  readonly machine: string;
  readonly model: string;
  readonly workload: WorkloadOverrides & { readonly for: WorkloadName };
  /** The engine named by the user; the others are not judged. */
  readonly asked?: string;
}

export interface GoldenRow extends GoldenCase {
  /** `null`: nothing fits. */
  readonly engine: string | null;
  /** Row of the tree, `asked`; where nothing fits, what engines refuse for. */
  readonly row: string;
}

export function goldenRows(): readonly GoldenRow[] {
  const file = new URL('golden.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as readonly GoldenRow[];
}

export function inputOf({ machine, model, workload, asked }: GoldenCase): DecideInput {
  const { for: name, ...overrides } = workload;
  return {
    machine: testMachine(machine),
    model: testModel(model),
    workload: makeWorkload(name, overrides),
    engines: ENGINES,
    installations: new Map(),
    ...(asked === undefined ? {} : { engineId: asked }),
  };
}

export function judgeCase(golden: GoldenCase): Pick<GoldenRow, 'engine' | 'row'> {
  const input = inputOf(golden);
  try {
    const decision = decide(input);
    return { engine: decision.engine.id, row: decision.row };
  } catch (error) {
    if (!(error instanceof HyperLlamaError) || error.code !== 'HL_NO_ENGINE_FITS') throw error;
    return { engine: null, row: refusalCodes(input) };
  }
}

/** Every code that some engine refuses for, without the engines: a new one of them changes no row. */
function refusalCodes({ machine, model, workload, engineId }: DecideInput): string {
  const judged = ENGINES.filter(({ id }) => engineId === undefined || id === engineId);
  const codes = judged.flatMap((engine) => {
    const verdict = engine.check({ machine, model, workload, installation: null });
    return verdict.isOk ? [] : verdict.reasons.map(({ code }) => code);
  });
  return [...new Set(codes)].sort().join(' ');
}
