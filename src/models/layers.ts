/**
 * Answers: which layers keep what in the KV cache, gathered into groups. Both readers (GGUF keys
 * and config.json) say it layer by layer; `model.ts` counts equal layers together.
 */
import type { AttentionGroup } from './model.ts';

export type Layer =
  | {
      readonly kind: 'full';
      readonly kvHeads: number;
      readonly headDimKey: number;
      readonly headDimValue: number;
    }
  | {
      readonly kind: 'sliding';
      readonly kvHeads: number;
      readonly headDimKey: number;
      readonly headDimValue: number;
      readonly windowTokens: number;
    }
  | { readonly kind: 'mla'; readonly latentWidth: number }
  | { readonly kind: 'linear'; readonly stateElements: number };

/** Layers in a config that is made up could be any number; the deepest real model has some 130. */
export const LAYERS_MAX = 4096;

/** Equal layers as one group, in the order of their first layer. */
export function groupLayers(layers: readonly Layer[]): readonly AttentionGroup[] {
  const groups = new Map<string, { readonly layer: Layer; count: number }>();
  for (const layer of layers) {
    const key = keyOf(layer);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { layer, count: 1 });
    else known.count += 1;
  }
  return [...groups.values()].map(({ layer, count }) => ({ ...layer, layers: count }));
}

function keyOf(layer: Layer): string {
  const { kind } = layer;
  if (kind === 'mla') return `${kind} ${layer.latentWidth}`;
  if (kind === 'linear') return `${kind} ${layer.stateElements}`;
  const widths = `${layer.kvHeads} ${layer.headDimKey} ${layer.headDimValue}`;
  return kind === 'sliding' ? `${kind} ${widths} ${layer.windowTokens}` : `${kind} ${widths}`;
}
