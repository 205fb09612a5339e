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
  const counts = new Map<string, { readonly layer: Layer; count: number }>();
  for (const layer of layers) {
    const key = JSON.stringify(Object.entries(layer).sort());
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { layer, count: 1 });
    else known.count += 1;
  }
  return [...counts.values()].map(({ layer, count }) => withCount(layer, count));
}

function withCount(layer: Layer, layers: number): AttentionGroup {
  switch (layer.kind) {
    case 'full': {
      const { kvHeads, headDimKey, headDimValue } = layer;
      return { kind: 'full', layers, kvHeads, headDimKey, headDimValue };
    }
    case 'sliding': {
      const { kvHeads, headDimKey, headDimValue, windowTokens } = layer;
      return { kind: 'sliding', layers, kvHeads, headDimKey, headDimValue, windowTokens };
    }
    case 'mla':
      return { kind: 'mla', layers, latentWidth: layer.latentWidth };
    case 'linear':
      return { kind: 'linear', layers, stateElements: layer.stateElements };
  }
}
