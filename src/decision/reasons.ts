/** Answers: the reasons of a decision, as facts of this case with their values. */
import type { Engine, Reason } from '../engines/engine.ts';
import { artifactName } from '../engines/shared/artifacts.ts';
import { describeTarget } from '../engines/shared/devices.ts';
import { guideFor } from '../engines/shared/recipes.ts';
import type { Machine } from '../hardware/machine.ts';
import type { Candidate, Situation } from './situation.ts';
import { isPreferred, type TreeRow } from './tree.ts';

export interface Rejected {
  readonly engine: Engine;
  readonly reasons: readonly Reason[];
  /** It could serve this too. */
  readonly isEligible: boolean;
  /** … and this version can start it here. */
  readonly isStartable: boolean;
}

export const PROOF_ONLY: Reason = {
  code: 'slow-on-cpu',
  because: 'runs on this CPU, but tens of times slower than an engine made for it',
  hint: 'insist by naming it with `--engine`',
};

export function rowReason(row: TreeRow, situation: Situation, winner: Candidate): Reason {
  const preferred = row.prefers.find((preference) => isPreferred(winner, preference));
  const why =
    preferred === undefined
      ? `${row.title} (what is preferred there cannot serve this)`
      : row.title;
  return {
    code: `row-${row.id}`,
    because: `${why}, ${usersText(situation.users)}`,
    hint: null,
  };
}

export function askedReason({ engine }: Candidate): Reason {
  return { code: 'asked', because: `${engine.name} was asked for`, hint: null };
}

export function factReasons(s: Situation, { engine, verdict }: Candidate): readonly Reason[] {
  // Of a server that is not ours neither machine nor format is known.
  if (engine.custom?.kind === 'server') return verdict.notes;
  const where =
    verdict.device === 'cpu'
      ? cpuText(s.machine)
      : describeTarget({
          device: verdict.device,
          cards: s.machine.accelerators.filter(
            (card) => card.vendor === verdict.device && verdict.accelerators.includes(card.index),
          ),
        });
  const place = verdict.artifact.path === null ? 'not on this machine yet' : 'on this machine';
  const facts: Reason[] = [
    { code: 'machine', because: where, hint: null },
    { code: 'format', because: `${artifactName(verdict.artifact)} ${place}`, hint: null },
    { code: 'workload', because: workloadText(s), hint: null },
  ];
  return [...facts, ...verdict.notes];
}

function workloadText({ workload, roofline, users }: Situation): string {
  const share = workload.sharedPrefixShare;
  const parts = [
    usersText(users),
    `${workload.promptTokens} prompt and ${workload.outputTokens} answer tokens`,
  ];
  if (share > 0) parts.push(`shared prefix ${share}`);
  if (roofline !== null) {
    const percent = Math.round(roofline.prefillShare * 100);
    parts.push(`${roofline.isPrefillBound ? 'prefill' : 'decode'}-bound (${percent} % prefill)`);
  }
  return parts.join(', ');
}

function usersText(users: number): string {
  return users === 1 ? 'one user' : `${users} users`;
}

function cpuText({ cpu }: Machine): string {
  const best = ['amx-bf16', 'avx512bf16', 'avx512f', 'avx2', 'sve2', 'i8mm', 'neon'] as const;
  const isa = best.find((name) => cpu.isa.includes(name));
  return [`CPU ${cpu.model ?? ''}`.trim(), isa].filter((part) => part !== undefined).join(', ');
}

export function candidateReasons(
  row: TreeRow,
  others: readonly Candidate[],
  isStartable: (candidate: Candidate) => boolean,
): readonly Reason[] {
  return others
    .filter(({ engine }) =>
      row.candidates?.some((trait) => engine.traits.slice(0, 2).includes(trait)),
    )
    .map((candidate) => ({
      code: 'candidate',
      because: `${candidate.engine.name} is worth measuring here`,
      hint: isStartable(candidate)
        ? `run \`hyperllama bench\` with \`--engine ${candidate.engine.id}\``
        : null,
    }));
}

export function passedOver(
  row: TreeRow,
  winner: Candidate,
  { engine, isStartable }: Candidate & Pick<Rejected, 'isStartable'>,
): Rejected {
  const reason: Reason = {
    code: 'not-preferred',
    because: `could serve it too; ${winner.engine.name} is preferred for: ${row.title}`,
    hint: `use \`--engine ${engine.id}\` to override`,
  };
  return { engine, reasons: [reason], isEligible: true, isStartable };
}

/** A driven engine may still have no build for this device; its own guide says how to get one. */
export function notDriven({ engine }: Candidate, machine: Machine): Rejected {
  const guide = guideFor(engine, machine);
  const reason: Reason = {
    code: 'not-driven',
    because: 'could serve it, but this version cannot start it yet',
    hint: null,
  };
  const built: Reason = {
    code: 'no-build',
    because: `could serve it, but cannot be installed: ${guide?.because ?? 'there is no build of it for this device'}`,
    hint: guide?.hint ?? null,
  };
  return {
    engine,
    reasons: [engine.isDriven ? built : reason],
    isEligible: false,
    isStartable: false,
  };
}

/** Of the engine that comes without a question, where another one would have to be installed. */
export function insteadOfInstall(rejected: readonly Rejected[]): { readonly instead?: string } {
  const embedded = rejected.find(({ engine }) => engine.isEmbedded === true);
  if (embedded === undefined) return {};
  const { engine, reasons, isEligible } = embedded;
  const [reason] = reasons;
  if (isEligible) return { instead: `\`--engine ${engine.id}\` takes ${engine.name} in its place` };
  return reason === undefined ? {} : { instead: `${engine.name} will not do: ${reason.because}` };
}
