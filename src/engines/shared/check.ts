/**
 * Answers: an engine's `check` from its data: every reason against it, or the artifact, device and
 * memory it would use. What is special to one engine comes in as `extra`.
 */
import type { Artifact } from '../../models/model.ts';
import type {
  CompanionSupport,
  EngineInput,
  FormatSupport,
  Reason,
  Requirements,
  Trait,
  Verdict,
} from '../engine.ts';
import { formatReason, loadableArtifacts } from './artifacts.ts';
import { checkCompanions, draftArtifact } from './companions.ts';
import { checkContext } from './context.ts';
import { acceleratorTargets, type Target } from './devices.ts';
import { fit, type FitRules } from './fit.ts';
import { checkNeeds, checkTask } from './needs.ts';
import { checkMachine, checkTarget } from './requirements.ts';
import { idleNote } from './usable.ts';

export interface CheckRules {
  readonly traits: readonly Trait[];
  readonly formats: readonly FormatSupport[];
  readonly requirements: Requirements;
  /** The memory rules, which may depend on the device. */
  readonly fit: (target: Target) => FitRules;
  /** Reasons of this engine alone: version, architecture of the model, a need on one device. */
  readonly extra?: (input: EngineInput, target: Target) => readonly Reason[];
  /** Whether this artifact is refused although its format is loaded, and why. */
  readonly refuseArtifact?: (artifact: Artifact, target: Target) => Reason | null;
  /** Absent = nothing can be loaded beside the model. */
  readonly companions?: CompanionSupport;
}

const CPU: Target = { device: 'cpu', cards: [] };

export function checkEngine(rules: CheckRules, input: EngineInput): Verdict {
  const general = [
    ...checkMachine(rules.requirements, input.machine),
    ...checkTask(input),
    ...checkNeeds(rules.traits, input),
    ...checkContext(input),
    ...checkCompanions(rules.companions ?? {}, input),
  ];
  const { targets, notes } = targetsToTry(rules, input);
  let reasons: readonly Reason[] = [];
  for (const target of targets) {
    const verdict = checkOn(rules, input, target);
    if (verdict.isOk && general.length === 0) {
      return { ...verdict, notes: [...notes, ...verdict.notes] };
    }
    // The first target is the one the user expects: its reasons are the ones to show.
    if (reasons.length === 0 && !verdict.isOk) reasons = verdict.reasons;
  }
  const all = [...general, ...reasons];
  return { isOk: false, reasons: all.length > 0 ? all : [noTarget(input)] };
}

function noTarget(input: EngineInput): Reason {
  return {
    code: 'no-gpu',
    because: 'a GPU is asked for with `--device gpu`, and this machine has none to compute on',
    hint: input.workload.device === 'gpu' ? 'leave `--device` out' : null,
  };
}

/**
 * The accelerators it can drive; else the CPU, with a word about the cards left idle. A machine
 * with a card the engine can drive never falls to the CPU in silence: there the card's refusal
 * stands, and `--device cpu` is the way to insist.
 */
function targetsToTry(
  rules: CheckRules,
  input: EngineInput,
): { readonly targets: readonly Target[]; readonly notes: readonly Reason[] } {
  const { machine, workload } = input;
  if (workload.device === 'cpu') return { targets: [CPU], notes: [] };
  const cards = acceleratorTargets(machine);
  if (workload.device === 'gpu') return { targets: cards, notes: [] };
  const usable = cards.filter(
    (target) => checkTarget(rules.requirements, machine, target).length === 0,
  );
  if (usable.length > 0) return { targets: usable, notes: [] };
  if (!rules.requirements.devices.includes('cpu') && cards.length > 0) {
    return { targets: cards, notes: [] };
  }
  return {
    targets: [CPU],
    notes: cards.map((target) => idleNote(rules.requirements, machine, target)),
  };
}

function checkOn(rules: CheckRules, input: EngineInput, target: Target): Verdict {
  const reasons = [
    ...checkTarget(rules.requirements, input.machine, target),
    ...(rules.extra?.(input, target) ?? []),
  ];
  const isDeviceKnown = rules.requirements.devices.includes(target.device);
  const artifacts = loadableArtifacts(input.model, rules.formats, target.device);
  const refused = artifacts.map((artifact) => rules.refuseArtifact?.(artifact, target) ?? null);
  const accepted = artifacts.filter((_, index) => refused[index] === null);
  if (accepted.length === 0) {
    const own = refused.filter((reason) => reason !== null);
    if (own.length > 0) return { isOk: false, reasons: [...reasons, ...own] };
    // On a device it does not know there is nothing to say about formats.
    if (isDeviceKnown) reasons.push(formatReason(input.model, rules.formats, target.device));
    return { isOk: false, reasons };
  }
  const draft = draftArtifact(input.model, rules.formats, target.device);
  if (draft !== null && 'code' in draft) return { isOk: false, reasons: [...reasons, draft] };
  return fitFirst(rules, input, { target, accepted, draft, reasons });
}

function fitFirst(
  rules: CheckRules,
  input: EngineInput,
  found: {
    readonly target: Target;
    readonly accepted: readonly Artifact[];
    readonly draft: Artifact | null;
    readonly reasons: readonly Reason[];
  },
): Verdict {
  const { draft } = found;
  let refusal: Reason | null = null;
  for (const artifact of found.accepted) {
    const result = fit(input, { artifact, draft }, found.target, rules.fit(found.target));
    if (!result.isOk) {
      refusal ??= result.reason;
      continue;
    }
    if (found.reasons.length > 0) return { isOk: false, reasons: found.reasons };
    return {
      isOk: true,
      artifact,
      ...(draft === null ? {} : { draft }),
      device: found.target.device,
      accelerators: result.target.cards.map((card) => card.index),
      memory: result.memory,
      contextTokens: result.contextTokens,
      slots: result.slots,
      notes: result.notes,
    };
  }
  return {
    isOk: false,
    reasons: refusal === null ? found.reasons : [...found.reasons, refusal],
  };
}
