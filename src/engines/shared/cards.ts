/** Answers: over which numbers of cards a model can be spread, and how they share the work. */
import type { Accelerator } from '../../hardware/machine.ts';
import type { ModelInfo } from '../../models/model.ts';
import { withDraft } from './companions.ts';

/**
 * `layers`: over any cards, each as many as it holds. `heads`: over equal ones in equal parts.
 * `heads-then-layers`: so where it comes out even, else as a pipeline of equal parts.
 */
export type Split = 'layers' | 'heads' | 'heads-then-layers' | 'none';

/** Sets of cards to try, fewest first. Unequal cards are used together only as layers. */
export function cardCounts(
  cards: readonly Accelerator[],
  model: ModelInfo,
  split: Split,
): readonly (readonly Accelerator[])[] {
  const byRoom = [...cards].sort((a, b) => bytesFree(b) - bytesFree(a) || a.index - b.index);
  if (split === 'none') return [byRoom.slice(0, 1)];
  const sets = byRoom.map((_, index) => byRoom.slice(0, index + 1));
  if (split === 'layers') return sets;
  const even = sets.filter((set) => tensorDegreeOf(set, model) === set.length);
  // Engines that propose by a draft model do so without a pipeline, or with all of it on one stage.
  if (model.draft !== undefined) return even;
  // The cards of a pipeline wait for each other: more of them side by side are the better choice.
  return split === 'heads' ? even : [...even, ...sets.filter((set) => !even.includes(set))];
}

function bytesFree(card: Accelerator): number {
  return card.memoryBytesFree ?? card.memoryBytesTotal ?? 0;
}

/**
 * How many of these cards share each layer: equal ones, every one with the same whole number of
 * heads. A divisor of their number; what is left of it is the length of a pipeline.
 */
export function tensorDegreeOf(cards: readonly Accelerator[], model: ModelInfo): number {
  const [first] = cards;
  if (first === undefined || cards.some((card) => card.name !== first.name)) return 1;
  const degrees = cards.map((_, index) => cards.length - index);
  const isEven = (degree: number): boolean =>
    withDraft(model).every((each) => areHeadsEven(each, degree));
  return degrees.find((degree) => cards.length % degree === 0 && isEven(degree)) ?? 1;
}

/** Heads of the KV cache may also be fewer than the cards: then some cards hold the same ones. */
function areHeadsEven({ attentionHeads, attention }: ModelInfo, degree: number): boolean {
  if (attentionHeads === null) return Number.isInteger(Math.log2(degree));
  const kvHeads = (attention ?? []).flatMap((group) => ('kvHeads' in group ? [group.kvHeads] : []));
  return (
    attentionHeads % degree === 0 &&
    kvHeads.every((heads) => heads % degree === 0 || degree % heads === 0)
  );
}
