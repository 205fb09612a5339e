/**
 * Answers: what the tree asks about, as plain facts: which engines can run at all, on which cards,
 * for how many users.
 */
import type { Engine, VerdictOk } from '../engines/engine.ts';
import { acceleratorTargets, type Target } from '../engines/shared/devices.ts';
import { OFFLOAD_CODE } from '../engines/shared/fit.ts';
import type { Machine } from '../hardware/machine.ts';
import type { ModelInfo, WeightFormat } from '../models/model.ts';
import type { Workload } from '../workloads/workload.ts';
import { GIB } from '../base/units.ts';
import { hasMatrixUnit, roofline, type Roofline } from './roofline.ts';

/** An engine whose `check` said ok. */
export interface Candidate {
  readonly engine: Engine;
  readonly verdict: VerdictOk;
}

export interface Situation {
  readonly machine: Machine;
  readonly model: ModelInfo;
  readonly workload: Workload;
  readonly candidates: readonly Candidate[];
  readonly users: number;
  /** The cards some candidate computes on; `null` = no usable accelerator. */
  readonly target: Target | null;
  /** Data-centre cards, or workstation ones with 96 GB and more. */
  readonly isBig: boolean;
  /** Every candidate on the cards leaves part of the model in main memory. */
  readonly isLargerThanCards: boolean;
  readonly isPrefillBound: boolean;
  readonly roofline: Roofline | null;
  readonly hasMatrixUnit: boolean;
}

/** Cards sold as 96 GB report a little less than 96 GiB. */
const BIG_CARD_BYTES_MIN = 90 * GIB;

export interface SituationInput {
  readonly machine: Machine;
  readonly model: ModelInfo;
  readonly workload: Workload;
}

export function situationOf(input: SituationInput, candidates: readonly Candidate[]): Situation {
  const { machine, model, workload } = input;
  const onCards = candidates.filter(({ verdict }) => verdict.device !== 'cpu');
  const target =
    acceleratorTargets(machine).find(({ device }) =>
      onCards.some(({ verdict }) => verdict.device === device),
    ) ?? null;
  const isLargerThanCards =
    onCards.length > 0 &&
    onCards.every(({ verdict }) => verdict.notes.some((note) => note.code === OFFLOAD_CODE));
  const bound = firstRoofline(input, candidates, target);
  return {
    machine,
    model,
    workload,
    candidates,
    users: workload.concurrency,
    target,
    isBig: target !== null && isBigTarget(target),
    isLargerThanCards,
    isPrefillBound: bound?.isPrefillBound ?? false,
    roofline: bound,
    hasMatrixUnit: hasMatrixUnit(machine),
  };
}

/** Of the first candidate that computes where the decision will look. */
function firstRoofline(
  input: SituationInput,
  candidates: readonly Candidate[],
  target: Target | null,
): Roofline | null {
  const device = target?.device ?? 'cpu';
  const first =
    candidates.find(({ verdict }) => verdict.device === device) ?? candidates.at(0) ?? null;
  if (first === null) return null;
  const { artifact } = first.verdict;
  return roofline({ ...input, artifact, device: first.verdict.device });
}

function isBigTarget({ cards }: Target): boolean {
  const [first] = cards;
  if (first === undefined) return false;
  if (first.class === 'data-centre') return true;
  return first.class === 'workstation' && (first.memoryBytesTotal ?? 0) >= BIG_CARD_BYTES_MIN;
}

/** Some candidate would load the model in this format. */
export function hasFormat(situation: Situation, formats: readonly WeightFormat[]): boolean {
  return situation.candidates.some(({ verdict }) => formats.includes(verdict.artifact.format));
}
