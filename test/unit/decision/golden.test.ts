import { describe, expect, it } from 'vitest';
import { TREE } from '../../../src/decision/tree.ts';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import { MACHINE_NAMES } from '../../fixtures/machines/load.ts';
import { goldenRows, judgeCase, type GoldenRow } from './golden.ts';

const ROWS = goldenRows();

const label = ({ machine, model, workload, asked }: GoldenRow): string => {
  const { for: name, ...overrides } = workload;
  return `${machine} × ${model} × ${name} ${JSON.stringify(overrides)} ${asked ?? ''}`;
};

describe('the golden table', () => {
  it('has sixty rows and more, each case once', () => {
    expect(ROWS.length).toBeGreaterThanOrEqual(60);
    expect(new Set(ROWS.map(label)).size).toBe(ROWS.length);
  });

  it('holds, row by row', () => {
    const judged = ROWS.map((row) => ({ ...row, ...judgeCase(row) }));
    expect(judged).toEqual(ROWS);
  });

  it('hits every row of the tree', () => {
    const hit = new Set(ROWS.map(({ row }) => row));
    expect(TREE.map(({ id }) => id).filter((id) => !hit.has(id))).toEqual([]);
  });

  it('names a row of the tree or the refusals, and nothing else', () => {
    const ids: readonly string[] = [...TREE.map(({ id }) => id), 'asked'];
    const wrong = ROWS.filter(({ engine, row }) => (engine === null) === ids.includes(row));
    expect(wrong.map(label)).toEqual([]);
  });

  it('has a place for every engine: chosen, or where it is only a candidate, asked for', () => {
    const placed = new Set(ROWS.map(({ engine }) => engine));
    expect(ENGINES.map(({ id }) => id).filter((id) => !placed.has(id))).toEqual([]);
  });

  it('uses every machine of the fixtures', () => {
    const used = new Set(ROWS.map(({ machine }) => machine));
    expect(MACHINE_NAMES.filter((name) => !used.has(name))).toEqual([]);
  });
});
