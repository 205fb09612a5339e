/**
 * Answers: does it fit, with which context, slots and cards? Weights + KV cache + overhead against
 * the free memory of one target. What is adapted is said in `notes`; an explicit context never is.
 */
import { formatBytes, formatCount, formatParameters } from '../../base/units.ts';
import type { Artifact, ModelInfo } from '../../models/model.ts';
import { kvCacheBytes, weightsBytes } from '../../models/memory.ts';
import type { EngineInput, MemoryNeed, Reason } from '../engine.ts';
import { artifactName } from './artifacts.ts';
import { contextFloor, contextWanted } from './context.ts';
import { cardBytesFree, describeTarget, targetBytesFree, type Target } from './devices.ts';
import { cardCounts, type Split } from './cards.ts';
import { memoryBytesUsable } from '../../hardware/machine.ts';

export interface FitRules {
  readonly kvBytesPerElement: (artifact: Artifact) => number;
  /** `reserved`: slots × context up front. `paged`: what the requests of the workload fill. */
  readonly kvCache: 'reserved' | 'paged';
  /** What the engine can be told to take for a need in bytes; absent = the need itself. */
  readonly kvBytesTold?: (bytes: number, model: ModelInfo) => number;
  /** Beyond weights and KV cache, for each card (or once on the CPU). */
  readonly overheadBytes: (input: EngineInput, artifact: Artifact, contextTokens: number) => number;
  /** Bytes the weights take once loaded ÷ bytes stored: 2 when bf16 is widened to float32. */
  readonly weightsFactor?: (artifact: Artifact, target: Target) => number;
  /** Part of the free memory the engine lets itself take. */
  readonly memoryShare: number;
  /** More requests at once than this wait in the engine's queue. */
  readonly slotsMax: number;
  /** How weights are spread over several cards. */
  readonly split: Split;
  /** Layers that do not fit may stay in main memory. */
  readonly canOffload: boolean;
}

export type Fit =
  | {
      readonly isOk: true;
      readonly memory: MemoryNeed;
      readonly contextTokens: number;
      readonly slots: number;
      readonly target: Target;
      readonly notes: readonly Reason[];
    }
  | { readonly isOk: false; readonly reason: Reason };

/** Why layers may have to stay in main memory; the plan and the decision look for it. */
export const OFFLOAD_CODE = 'layers-in-main-memory';
/** A mistake that only the time of an answer would show. */
export const DRAFT_LARGER_CODE = 'draft-larger';
/** Code of the one refusal that more free memory would mend. */
export const TOO_LARGE_CODE = 'memory-insufficient';

/** What is loaded: the model's artifact, and its draft model's. */
export interface Load {
  readonly artifact: Artifact;
  readonly draft: Artifact | null;
}

export function fit(input: EngineInput, load: Load, target: Target, rules: FitRules): Fit {
  const context = contextWanted(input);
  const slots = Math.min(input.workload.concurrency, rules.slotsMax);
  for (const step of steps(input, { context, slots })) {
    for (const part of targetParts(target, input, rules)) {
      const need = memoryNeed(input, { ...load, target: part, rules, ...step });
      if (fitsInto(input, part, need, rules)) {
        return accept(input, { ...load, target: part, need, ...step }, { context, slots });
      }
    }
  }
  const smallest = steps(input, { context, slots }).at(-1) ?? { context, slots };
  if (rules.canOffload && target.device !== 'cpu') {
    const need = memoryNeed(input, { ...load, target, rules, ...smallest });
    if (fitsWithMainMemory(input, target, need)) {
      return accept(input, { ...load, target, need, ...smallest }, { context, slots });
    }
  }
  return { isOk: false, reason: refusal(input, load, target, rules) };
}

interface Step {
  readonly context: number;
  readonly slots: number;
}

/** The rule of shrinking: the context by halves down to its floor, then the slots by halves. */
function steps(input: EngineInput, first: Step): readonly Step[] {
  const all: Step[] = [first];
  let { context, slots } = first;
  const floor = input.workload.contextTokens === null ? contextFloor(input) : context;
  while (context / 2 >= floor) {
    context = Math.floor(context / 2);
    all.push({ context, slots });
  }
  while (slots > 1) {
    slots = Math.floor(slots / 2);
    all.push({ context, slots });
  }
  return all;
}

interface Case extends Step, Load {
  readonly target: Target;
  readonly rules: FitRules;
}

function memoryNeed(input: EngineInput, c: Case): MemoryNeed {
  const { model, workload } = input;
  const request = workload.promptTokens + workload.outputTokens;
  // Paged: one full context, or all requests of the workload, whichever is more.
  const isPaged = c.rules.kvCache === 'paged' && c.slots * request > c.context;
  const tokens = isPaged ? Math.min(request, c.context) : c.context;
  const sequences = c.rules.kvCache === 'paged' && !isPaged ? 1 : c.slots;
  const kvOf = (of: ModelInfo, artifact: Artifact): number | null =>
    kvCacheBytes(of, {
      contextTokens: tokens,
      sequences,
      bytesPerElement: c.rules.kvBytesPerElement(artifact),
    });
  const kv = kvOf(model, c.artifact);
  // The draft has read what the model has read.
  const kvDraft = model.draft && c.draft ? (kvOf(model.draft, c.draft) ?? 0) : 0;
  const overhead = c.rules.overheadBytes(input, c.artifact, c.context);
  return {
    weightsBytes: Math.round(
      loadedBytes(c.artifact, c) + loadedBytes(c.draft, c) + (model.adapter?.bytesOnDisk ?? 0),
    ),
    kvCacheBytes: Math.round(
      kv === null ? 0 : (c.rules.kvBytesTold?.(kv + kvDraft, model) ?? kv + kvDraft),
    ),
    overheadBytes: Math.round(overhead * Math.max(1, c.target.cards.length)),
    basis: 'formula',
  };
}

function loadedBytes(
  artifact: Artifact | null,
  { rules, target }: Pick<Case, 'rules' | 'target'>,
): number {
  if (artifact === null) return 0;
  return (weightsBytes(artifact) ?? 0) * (rules.weightsFactor?.(artifact, target) ?? 1);
}

/** The target with one card, then more, as far as the engine can spread this model over them. */
function targetParts(target: Target, input: EngineInput, rules: FitRules): readonly Target[] {
  if (target.device === 'cpu') return [target];
  return cardCounts(target.cards, input.model, rules.split).map((cards) => ({ ...target, cards }));
}

function totalBytes(need: MemoryNeed): number {
  return need.weightsBytes + need.kvCacheBytes + need.overheadBytes;
}

function fitsInto(input: EngineInput, target: Target, need: MemoryNeed, rules: FitRules): boolean {
  if (target.device === 'cpu') {
    const free = memoryBytesUsable(input.machine);
    return free === null || totalBytes(need) <= free * rules.memoryShare;
  }
  const free = target.cards.map((card) => cardBytesFree(input.machine, card));
  if (free.some((bytes) => bytes === null)) return true;
  const known = free.filter((bytes) => bytes !== null);
  // In equal parts the smallest card decides; by layers the sum does.
  const bytes =
    rules.split === 'layers'
      ? known.reduce((sum, one) => sum + one, 0)
      : Math.min(...known) * known.length;
  return totalBytes(need) <= bytes * rules.memoryShare;
}

function fitsWithMainMemory(input: EngineInput, target: Target, need: MemoryNeed): boolean {
  const isUnified = target.cards.some((card) => card.memoryKind === 'unified');
  const cards = targetBytesFree(input.machine, target);
  const main = memoryBytesUsable(input.machine);
  if (isUnified || cards === null || main === null) return false;
  return totalBytes(need) <= cards + main;
}

function accept(
  input: EngineInput,
  c: Step & Load & { readonly target: Target; readonly need: MemoryNeed },
  wanted: Step,
): Fit {
  const notes: Reason[] = [];
  const free = targetBytesFree(input.machine, c.target);
  const where = describeTarget(c.target);
  if (!isKnown(input.model, c) || free === null) {
    notes.push({
      code: 'memory-unknown',
      because: `the memory ${input.model.name} needs in ${where} could not be computed in full`,
      hint: null,
    });
  }
  const [own, draft] = [c.artifact, c.draft].map((artifact) => artifact && weightsBytes(artifact));
  if (own && draft && draft >= own) {
    notes.push({
      code: DRAFT_LARGER_CODE,
      because: `the draft is no smaller than the model (${formatBytes(draft)} and ${formatBytes(own)}), so it saves no time`,
      hint: 'name a smaller model of the same family with `--draft`',
    });
  }
  if (c.context < wanted.context) {
    notes.push({
      code: 'context-shrunk',
      because: `context ${formatCount(c.context)} instead of ${formatCount(wanted.context)} tokens, because ${formatBytes(free ?? 0)} is free in ${where}`,
      hint: `insist with \`--context ${wanted.context}\``,
    });
  }
  if (c.slots < input.workload.concurrency) {
    notes.push({
      code: 'slots-shrunk',
      because: `${c.slots} requests at once instead of ${input.workload.concurrency}; the others wait`,
      hint: null,
    });
  }
  if (c.target.device !== 'cpu' && free !== null && totalBytes(c.need) > free) {
    notes.push({
      code: OFFLOAD_CODE,
      because: `${formatBytes(totalBytes(c.need) - free)} of ${formatBytes(totalBytes(c.need))} stays in main memory, because ${formatBytes(free)} is free in ${where}`,
      hint: 'a smaller quantization would run wholly on the GPU',
    });
  }
  return {
    isOk: true,
    memory: c.need,
    contextTokens: c.context,
    slots: c.slots,
    target: c.target,
    notes,
  };
}

/** What each of both takes can be computed. */
function isKnown({ attention, draft }: ModelInfo, load: Load): boolean {
  const isDraftKnown =
    draft === undefined ||
    (draft.attention !== null && load.draft !== null && weightsBytes(load.draft) !== null);
  return weightsBytes(load.artifact) !== null && attention !== null && isDraftKnown;
}

function refusal(input: EngineInput, load: Load, target: Target, rules: FitRules): Reason {
  const context = contextWanted(input);
  const isExplicit = input.workload.contextTokens !== null;
  const step = { context: isExplicit ? context : contextFloor(input), slots: 1 };
  const bytesAt = (tokens: number): number =>
    totalBytes(memoryNeed(input, { ...load, target, rules, context: tokens, slots: step.slots }));
  const need = memoryNeed(input, { ...load, target, rules, ...step });
  const ownBytes = loadedBytes(load.artifact, { rules, target });
  const free = (targetBytesFree(input.machine, target) ?? 0) * rules.memoryShare;
  const share = rules.memoryShare < 1 ? ` (${Math.round(rules.memoryShare * 100)} % of it)` : '';
  return {
    code: TOO_LARGE_CODE,
    because:
      `${artifactName(load.artifact)}${companionWords(input.model)} needs ${formatBytes(totalBytes(need))} (weights ${formatBytes(need.weightsBytes)}` +
      ` + KV cache ${formatBytes(need.kvCacheBytes)} for ${formatCount(step.context)} tokens` +
      ` + ${formatBytes(need.overheadBytes)} of its own)` +
      ` but ${formatBytes(free)} is free in ${describeTarget(target)}${share}`,
    hint: fitHint(input, { need, ownBytes, free, context: step.context, bytesAt }),
  };
}

function companionWords({ draft, adapter }: ModelInfo): string {
  const words = [draft?.name ?? [], adapter === undefined ? [] : 'its adapter'].flat();
  return words.length === 0 ? '' : ` with ${words.join(' and ')}`;
}

/** Fewer tokens of context than this are of no use to anybody. */
const CONTEXT_OFFERED_MIN = 512;

function fitHint(
  input: EngineInput,
  at: {
    readonly need: MemoryNeed;
    /** The model's part of the weights; the rest is its draft's and adapter's. */
    readonly ownBytes: number;
    readonly free: number;
    readonly context: number;
    /** All that is needed with so many tokens of context. */
    readonly bytesAt: (tokens: number) => number;
  },
): string {
  const left = at.free - at.need.weightsBytes - at.need.overheadBytes;
  if (left > 0 && at.need.kvCacheBytes > 0) {
    const tokens = 2 ** Math.floor(Math.log2((at.context * left) / at.need.kvCacheBytes));
    if (tokens >= CONTEXT_OFFERED_MIN && at.bytesAt(tokens) <= at.free)
      return `\`--context ${tokens}\` would fit`;
  }
  const beside = at.need.weightsBytes - at.ownBytes;
  const forWeights = at.free - at.need.kvCacheBytes - at.need.overheadBytes - beside;
  const parameters = input.model.parametersTotal;
  // Below 2 bits a weight no quantization is worth its answers.
  if (parameters !== null && (forWeights * 8) / parameters >= 2) {
    const bits = (Math.floor(((forWeights * 8) / parameters) * 10) / 10).toFixed(1);
    return `a quantization of at most ${bits} bits per weight would fit`;
  }
  // 4.85 bits per weight is what Q4_K_M comes to over a whole model.
  const largest = (forWeights * 8) / 4.85;
  return largest > 1e6
    ? `a model of at most ${formatParameters(largest)} parameters in Q4_K_M would fit`
    : 'free some memory: not even a small model would fit';
}
