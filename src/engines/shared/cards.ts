/** Answers: over which numbers of cards a model can be spread, fewest first. */
import type { Accelerator } from '../../hardware/machine.ts';
import type { ModelInfo } from '../../models/model.ts';

/** Sets of cards to try. Unequal cards are used together only when layers are spread. */
export function cardCounts(
  cards: readonly Accelerator[],
  model: ModelInfo,
  split: 'layers' | 'heads' | 'none',
): readonly (readonly Accelerator[])[] {
  const byRoom = [...cards].sort((a, b) => bytesFree(b) - bytesFree(a) || a.index - b.index);
  if (split === 'none') return [byRoom.slice(0, 1)];
  const counts = Array.from({ length: byRoom.length }, (_, index) => index + 1);
  return counts
    .filter((count) => split === 'layers' || isEven(byRoom.slice(0, count), model))
    .map((count) => byRoom.slice(0, count));
}

function bytesFree(card: Accelerator): number {
  return card.memoryBytesFree ?? card.memoryBytesTotal ?? 0;
}

/** Tensor parallelism: equal cards, and every card gets the same whole number of heads. */
function isEven(cards: readonly Accelerator[], model: ModelInfo): boolean {
  const [first] = cards;
  if (first === undefined) return false;
  if (cards.length === 1) return true;
  if (cards.some((card) => card.name !== first.name)) return false;
  const heads = model.attentionHeads;
  return heads === null ? Number.isInteger(Math.log2(cards.length)) : heads % cards.length === 0;
}
