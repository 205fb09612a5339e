/** Answers: engines as a table, for `info` and `engines`. */
import type { Context } from '../base/context.ts';
import type { EngineRow } from './engine-rows.ts';

export async function enginesTable(
  rows: readonly EngineRow[],
  { output }: Context,
): Promise<string> {
  const usableFirst = [...rows].sort((a, b) => Number(b.usable) - Number(a.usable));
  const cells = usableFirst.map((row) => [
    row.name,
    row.installed ? (row.version ?? 'yes') : row.isDriven ? 'not installed' : 'not driven yet',
    row.usable ? 'yes' : 'no',
    row.reasons
      .map(({ because, hint }) => (hint === null ? because : `${because}: ${hint}`))
      .join('\n'),
  ]);
  return await output.table(['ENGINE', 'INSTALLED', 'USABLE', 'WHY NOT'], cells);
}
