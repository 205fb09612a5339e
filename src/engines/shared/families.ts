/**
 * Answers: what a table says for a model's family, where the name tells models of one architecture
 * apart: which of an engine's parsers reads its tool calls or its reasoning.
 */
import type { ModelInfo } from '../../models/model.ts';

export interface FamilyRow {
  /** Start of the architecture; absent = any. */
  readonly family?: string;
  /** In the model's name; absent = any. */
  readonly named?: RegExp;
  readonly parser: string;
}

/** The first row that fits; `null` when none does or the architecture is unknown. */
export function parserOf(model: ModelInfo, rows: readonly FamilyRow[]): string | null {
  const { architecture, name } = model;
  if (architecture === null) return null;
  const row = rows.find(
    (candidate) =>
      architecture.startsWith(candidate.family ?? '') && (candidate.named?.test(name) ?? true),
  );
  return row?.parser ?? null;
}
