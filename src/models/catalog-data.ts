/** Answers: all family records of the catalog, in the order they are listed. */
import { DENSE_FAMILIES } from './catalog-dense.ts';
import type { Family } from './catalog-family.ts';
import { MIXTURE_FAMILIES } from './catalog-mixtures.ts';
import { POOLING_FAMILIES } from './catalog-pooling.ts';
import { QWEN_FAMILIES } from './catalog-qwen.ts';

export const FAMILIES: readonly Family[] = [
  ...QWEN_FAMILIES,
  ...DENSE_FAMILIES,
  ...MIXTURE_FAMILIES,
  ...POOLING_FAMILIES,
];
