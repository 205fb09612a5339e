/**
 * Answers: which engine, and why? Every engine's `check`, then the tree over those that can. Ties
 * go to what runs already, then to what is installed.
 */
import { fail } from '../base/errors.ts';
import { nearestNames } from '../base/suggest.ts';
import type { Engine, EngineInput, Installation, Reason, VerdictOk } from '../engines/engine.ts';
import { recipeFor } from '../engines/shared/recipes.ts';
import type { Machine } from '../hardware/machine.ts';
import type { ModelInfo } from '../models/model.ts';
import type { Workload } from '../workloads/workload.ts';
import {
  askedReason,
  candidateReasons,
  factReasons,
  notDriven,
  passedOver,
  PROOF_ONLY,
  rowReason,
  type Rejected,
} from './reasons.ts';
import { situationOf, type Candidate } from './situation.ts';
import { isPreferred, LAST, treeRow, type Preference, type TreeRow } from './tree.ts';

export interface DecideInput {
  readonly machine: Machine;
  readonly model: ModelInfo;
  readonly workload: Workload;
  readonly engines: readonly Engine[];
  /** By engine id. */
  readonly installations: ReadonlyMap<string, Installation>;
  /** Ids of engines that serve this model just now. */
  readonly running?: readonly string[];
  /** The engine asked for: the others are not judged. */
  readonly engineId?: string;
}

export type { Rejected } from './reasons.ts';

export interface Decision {
  readonly engine: Engine;
  readonly verdict: VerdictOk;
  /** The first one is the tree's, short enough for one line. */
  readonly because: readonly Reason[];
  /** Eligible ones first. */
  readonly rejected: readonly Rejected[];
  readonly basis: 'tree' | 'measured';
  /** Row of the tree, `5a`; `asked` when the engine was named by the user. */
  readonly row: string;
}

/**
 * Among all engines, whether this version can start them or not.
 * @throws HL_NO_ENGINE_FITS with every refusal; HL_ENGINE_UNKNOWN for a name nobody has.
 */
export function decide(input: DecideInput): Decision {
  const judged = judge(input);
  return choose(input, judged, judged.candidates);
}

/**
 * Among the engines this version can start; a better one that it cannot is named in `because`.
 * @throws HL_NO_ENGINE_FITS, also when only engines that cannot be started would fit;
 * HL_ENGINE_NOT_DRIVEN when such an engine was asked for; HL_ENGINE_UNKNOWN.
 */
export function decideDriven(input: DecideInput): Decision {
  // Before any verdict: a reason to name another format would lead nowhere.
  const asked = input.engines.find(({ id }) => id === input.engineId);
  if (asked !== undefined && !asked.isDriven) {
    const { engineId: _, ...open } = input;
    fail('HL_ENGINE_NOT_DRIVEN', { engine: asked.name, alternative: drivenNames(open) });
  }
  const judged = judge(input);
  const driven = judged.candidates.filter((candidate) => isStartable(candidate, input));
  const undriven = judged.candidates.filter((candidate) => !driven.includes(candidate));
  const refused = [
    ...judged.refused,
    ...undriven.map((candidate) => notDriven(candidate, input.machine)),
  ];
  const decision = choose(input, { ...judged, refused }, driven);
  const overall = choose(input, judged, judged.candidates);
  if (overall.engine.id === decision.engine.id) return decision;
  const better: Reason = {
    code: 'better-not-driven',
    because: `${overall.engine.name} would be first here, but this version cannot start it`,
    hint: null,
  };
  return { ...decision, because: [...decision.because, better] };
}

function drivenNames(input: DecideInput): string | null {
  const names = judge(input)
    .candidates.filter((candidate) => isStartable(candidate, input))
    .map(({ engine }) => engine.name);
  return names.length === 0 ? null : names.join(' or ');
}

/** Driven, and by a build for the device it would compute on: ours, or one that is the user's. */
function isStartable(
  { engine, verdict }: Candidate,
  { machine, installations }: Pick<DecideInput, 'machine' | 'installations'>,
): boolean {
  const isForeign = engine.custom !== undefined || installations.get(engine.id)?.recipe === null;
  return engine.isDriven && (isForeign || recipeFor(engine, machine, verdict.device) !== null);
}

interface Judged {
  readonly candidates: readonly Candidate[];
  readonly refused: readonly Rejected[];
}

function judge(input: DecideInput): Judged {
  const candidates: Candidate[] = [];
  const refused: Rejected[] = [];
  for (const engine of enginesAsked(input)) {
    const verdict = engine.check(engineInput(input, engine));
    const isAsked = input.engineId !== undefined;
    if (!verdict.isOk) refused.push(refusal(engine, verdict.reasons));
    else if (isAsked || !isProofOnly({ engine, verdict })) candidates.push({ engine, verdict });
    else refused.push(refusal(engine, [PROOF_ONLY]));
  }
  return { candidates, refused };
}

function refusal(engine: Engine, reasons: readonly Reason[]): Rejected {
  return { engine, reasons, isEligible: false, isStartable: false };
}

/** It runs on a CPU and was never made for one: only who asks for it by name gets it. */
function isProofOnly({ engine, verdict }: Candidate): boolean {
  return verdict.device === 'cpu' && !engine.traits.includes('cpu-capable');
}

/** What one engine's `check` and `plan` are given. */
export function engineInput(
  input: Pick<DecideInput, 'machine' | 'model' | 'workload' | 'installations'>,
  engine: Engine,
): EngineInput {
  const { machine, model, workload } = input;
  return { machine, model, workload, installation: input.installations.get(engine.id) ?? null };
}

function enginesAsked({ engines, engineId }: DecideInput): readonly Engine[] {
  // A custom engine is nobody's recommendation: nothing is known of what it is good at.
  if (engineId === undefined) return engines.filter(({ custom }) => custom === undefined);
  const engine = engines.find(({ id }) => id === engineId);
  if (engine !== undefined) return [engine];
  const known = engines.map(({ id }) => id);
  const nearest = nearestNames(engineId, known, { count: 2, isAnyDistance: false });
  return fail('HL_ENGINE_UNKNOWN', { engine: engineId, known, nearest });
}

function choose(input: DecideInput, judged: Judged, candidates: readonly Candidate[]): Decision {
  if (candidates.length === 0) {
    fail('HL_NO_ENGINE_FITS', {
      model: input.model.name,
      refusals: judged.refused.map(({ engine, reasons }) => ({
        engine: engine.name,
        reasons: reasons.map(({ code, because, hint }) => ({ code, because, hint })),
      })),
    });
  }
  const situation = situationOf(input, candidates);
  const row = treeRow(situation);
  const ranked = rank(row, candidates, input);
  const [winner, ...others] = ranked;
  // `rank` keeps every candidate, and there is one.
  if (winner === undefined) throw new Error('no candidate was ranked');
  const isAsked = input.engineId !== undefined;
  return {
    engine: winner.engine,
    verdict: winner.verdict,
    because: isAsked
      ? [askedReason(winner), ...factReasons(situation, winner)]
      : [
          rowReason(row, situation, winner),
          ...factReasons(situation, winner),
          ...candidateReasons(row, others, (candidate) => isStartable(candidate, input)),
        ],
    rejected: [
      ...others.map((other) =>
        passedOver(row, winner, { ...other, isStartable: isStartable(other, input) }),
      ),
      ...judged.refused,
    ],
    basis: 'tree',
    row: isAsked ? 'asked' : row.id,
  };
}

/** All candidates: by the row's preferences, then by the general ones, each kind by strength. */
function rank(
  row: TreeRow,
  candidates: readonly Candidate[],
  input: DecideInput,
): readonly Candidate[] {
  const order: Candidate[] = [];
  for (const preference of [...row.prefers, ...LAST]) {
    const next = candidates
      .filter((candidate) => !order.includes(candidate) && isPreferred(candidate, preference))
      .sort(
        (a, b) =>
          strength(a, preference) - strength(b, preference) ||
          readiness(a, input) - readiness(b, input),
      );
    order.push(...next);
  }
  return [...order, ...candidates.filter((candidate) => !order.includes(candidate))];
}

/** An engine lists its traits strongest first. */
function strength({ engine }: Candidate, { trait }: Preference): number {
  return engine.traits.indexOf(trait);
}

function readiness({ engine }: Candidate, input: DecideInput): number {
  if (input.running?.includes(engine.id) === true) return 0;
  if (input.installations.has(engine.id)) return 1;
  return engine.isDriven ? 2 : 3;
}
