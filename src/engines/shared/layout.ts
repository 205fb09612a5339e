/**
 * Answers: how the cards of a verdict work together: tensor parallel, as a pipeline, and in copies
 * for a crowd; and what each of them has to hold of the KV cache.
 */
import { kvCacheBytes } from '../../models/memory.ts';
import type { ModelInfo } from '../../models/model.ts';
import type { EngineInput, VerdictOk } from '../engine.ts';
import { tensorDegreeOf } from './cards.ts';
import { withDraft } from './companions.ts';
import { acceleratorTargets, cardBytesFree } from './devices.ts';

export interface CardLayout {
  /** Cards that share every layer. */
  readonly tensor: number;
  /** Stages of such cards, each with a part of the layers. */
  readonly pipeline: number;
  /** Copies of the model, each on `tensor × pipeline` cards. */
  readonly copies: number;
  readonly accelerators: readonly number[];
}

/**
 * Requests that one copy of a model decodes at little more than the time of one: reading the
 * weights, which they share, takes most of a step.
 */
const REQUESTS_A_COPY = 16;

/** One card or the CPU is a layout too: 1 × 1 × 1. */
export function cardLayout(input: EngineInput, verdict: VerdictOk): CardLayout {
  const { machine, model, workload } = input;
  const all = acceleratorTargets(machine).find(({ device }) => device === verdict.device)?.cards;
  const group = (all ?? []).filter(({ index }) => verdict.accelerators.includes(index));
  const [first] = group;
  if (first === undefined) {
    return { tensor: 1, pipeline: 1, copies: 1, accelerators: verdict.accelerators };
  }
  const tensor = tensorDegreeOf(group, model);
  const { weightsBytes, kvCacheBytes: kvBytes, overheadBytes } = verdict.memory;
  const bytesOnCard = (weightsBytes + kvBytes + overheadBytes) / group.length;
  const spare = (all ?? []).filter(
    (card) =>
      !group.includes(card) &&
      card.name === first.name &&
      (cardBytesFree(machine, card) ?? 0) >= bytesOnCard,
  );
  // Copies of a mixture share out its experts and wait for each other in every step.
  const isCrowd =
    workload.goal === 'throughput' && model.experts === null && model.draft === undefined;
  const wanted = isCrowd ? Math.floor(workload.concurrency / REQUESTS_A_COPY) : 1;
  const copies = Math.max(1, Math.min(wanted, 1 + Math.floor(spare.length / group.length)));
  const more = spare.slice(0, (copies - 1) * group.length).map(({ index }) => index);
  return {
    tensor,
    pipeline: group.length / tensor,
    copies,
    accelerators: [...verdict.accelerators, ...more],
  };
}

/** The verdict for all copies together: their cards and the memory on them. */
export function verdictOfAll(
  { model }: Pick<EngineInput, 'model'>,
  verdict: VerdictOk,
  layout: CardLayout,
): VerdictOk {
  const { copies, accelerators } = layout;
  const { weightsBytes, overheadBytes, basis } = verdict.memory;
  const memory = {
    weightsBytes: weightsBytes * copies,
    kvCacheBytes: kvBytesOfCopy(model, verdict, layout) * copies,
    overheadBytes: overheadBytes * copies,
    basis,
  };
  return { ...verdict, accelerators, memory };
}

/** Its part of the requests, but never less than one full context. */
function kvBytesOfCopy(
  model: ModelInfo,
  { memory, contextTokens }: VerdictOk,
  { copies }: Pick<CardLayout, 'copies'>,
): number {
  const context = kvCacheBytes(model, { contextTokens, sequences: 1, bytesPerElement: 2 });
  return copies === 1
    ? memory.kvCacheBytes
    : Math.ceil(Math.max(context ?? 0, memory.kvCacheBytes / copies));
}

/** From here on a slice of every expert on each card is too thin to keep it busy. */
const EXPERT_PARALLEL_CARDS_MIN = 8;

/** Cards that hold whole experts instead of a slice of each; 1 = they are sliced. */
export function expertDegree(model: ModelInfo, tensor: number): number {
  return model.experts !== null && tensor >= EXPERT_PARALLEL_CARDS_MIN ? tensor : 1;
}

/** The largest block of tokens a paged KV cache is cut into by the engines we know: on CPUs. */
const BLOCK_TOKENS = 128;

/** One block above the need: the engine holds one back. `null` when the attention is unknown. */
export function withBlock(model: ModelInfo, bytes: number): number | null {
  const shape = { contextTokens: BLOCK_TOKENS, sequences: 1, bytesPerElement: 2 };
  const blocks = withDraft(model).map((each) => kvCacheBytes(each, shape));
  return blocks.reduce(
    (sum, block) => (sum === null || block === null ? null : sum + block),
    bytes,
  );
}

/**
 * Bytes each card of a copy has to give to a paged KV cache; `null` when the attention is unknown.
 * The engine refuses to start when what is left of it does not hold one full context.
 */
export function kvBytesOnCard(
  model: ModelInfo,
  verdict: VerdictOk,
  layout: Pick<CardLayout, 'tensor' | 'pipeline' | 'copies'>,
): number | null {
  const bytes = withBlock(model, kvBytesOfCopy(model, verdict, layout));
  if (bytes === null) return null;
  const shares = withDraft(model).map((each) => kvShareOfCard(each, layout));
  return Math.ceil(bytes * Math.max(...shares));
}

/** The part of a copy's KV cache that one card holds. */
export function kvShareOfCard(
  model: ModelInfo,
  { tensor, pipeline }: Pick<CardLayout, 'tensor' | 'pipeline'>,
): number {
  return stageShare(model, pipeline) / headParts(model, tensor);
}

/** Of the longest stage: layers are not cut, so that 32 of them on three cards are 11, 11 and 10. */
function stageShare({ attention }: ModelInfo, pipeline: number): number {
  const layers = (attention ?? []).reduce((sum, group) => sum + group.layers, 0);
  return layers === 0 ? 1 / pipeline : Math.ceil(layers / pipeline) / layers;
}

/** Into how many parts the cache is cut by heads; a latent one is not, each card has all of it. */
function headParts({ attention }: ModelInfo, tensor: number): number {
  const parts = (attention ?? []).map((group) => {
    if (group.kind === 'mla') return 1;
    return group.kind === 'linear' ? tensor : Math.min(tensor, group.kvHeads);
  });
  return Math.min(tensor, ...parts);
}
