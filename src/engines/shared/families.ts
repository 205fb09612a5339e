/**
 * Answers: what a table says for a model's family, where the name tells models of one architecture
 * apart: which of an engine's parsers reads its tool calls or its reasoning.
 */
import type { ModelInfo } from '../../models/model.ts';
import type { EngineInput, Reason } from '../engine.ts';

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

/** Tool calls that no parser reads would come back as text. */
export function checkToolParser(
  { model, workload }: EngineInput,
  parser: string | null,
): readonly Reason[] {
  if (!workload.needs.includes('tools') || parser !== null) return [];
  return [
    {
      code: 'need-unsupported',
      because: `has no tool-call parser for the architecture \`${model.architecture ?? 'unknown'}\``,
      hint: null,
    },
  ];
}
