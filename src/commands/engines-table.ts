/** Answers: engines as a table, for `info` and `engines`. */
import type { Context } from '../base/context.ts';
import type { EngineRow } from './engine-rows.ts';

/** Whether it is here, and by whose doing. */
export function stateWords({ custom, installed, version, isDriven }: EngineRow): string {
  if (custom === 'server') return 'unmanaged';
  if (custom === 'command') return installed ? 'custom' : 'not installed';
  if (installed) return version ?? 'yes';
  return isDriven ? 'not installed' : 'not driven yet';
}

export async function enginesTable(
  rows: readonly EngineRow[],
  { output }: Context,
): Promise<string> {
  const usableFirst = [...rows].sort((a, b) => Number(b.usable) - Number(a.usable));
  const cells = usableFirst.map((row) => [
    row.url === null ? row.name : `${row.name} (${row.url})`,
    stateWords(row),
    row.usable ? 'yes' : 'no',
    row.reasons
      .map(({ because, hint }) => (hint === null ? because : `${because}: ${hint}`))
      .join('\n'),
  ]);
  return await output.table(['ENGINE', 'INSTALLED', 'USABLE', 'WHY NOT'], cells);
}
