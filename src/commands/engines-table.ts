/** Answers: engines as a table, for `engines`: the usable ones first. */
import type { Context } from '../base/context.ts';
import { formatBytes } from '../base/units.ts';
import type { EngineRow, EngineSizes } from './engine-rows.ts';

/** Whether it is here, and by whose doing. */
export function stateWords({ custom, installed, version, isDriven }: EngineRow): string {
  if (custom === 'server') return 'unmanaged';
  if (custom === 'command') return installed ? 'custom' : 'not installed';
  if (installed) return version ?? 'yes';
  return isDriven ? 'not installed' : 'not driven yet';
}

export async function enginesTable(
  rows: readonly EngineSizes[],
  { output }: Context,
): Promise<string> {
  const usableFirst = [...rows].sort((a, b) => Number(b.usable) - Number(a.usable));
  const cells = usableFirst.map((row) => [
    row.url === null ? row.name : `${row.name} (${row.url})`,
    row.installed || row.custom !== null ? stateWords(row) : '-',
    row.newest ?? '-',
    usableWord(row),
    row.bytesOnDisk === null ? '-' : formatBytes(row.bytesOnDisk),
    whatItTakes(row),
  ]);
  const head = ['ENGINE', 'INSTALLED', 'NEWEST', 'USABLE', 'SIZE', 'WHAT IT WOULD TAKE'];
  return await output.table(head, cells);
}

/** Nobody asked a server that is not ours. */
function usableWord({ usable, custom }: EngineRow): string {
  if (!usable) return 'no';
  return custom === 'server' ? 'unknown' : 'yes';
}

/** The command and its size, or why nothing helps; empty when the newest is installed. */
function whatItTakes(row: EngineSizes): string {
  if (!row.usable) {
    return row.reasons
      .map(({ because, hint }) => (hint === null ? because : `${because}: ${hint}`))
      .join('\n');
  }
  if (row.custom === 'server') return '`hyperllama doctor` asks whether it is there';
  if (row.guide !== null) return `${row.guide.because}: ${row.guide.hint}`;
  if (!row.isDriven) return 'this version cannot start it yet';
  if (row.bytesToInstall === null || row.bytesNeeded === null) return '';
  const size =
    row.bytesToInstall === 0
      ? 'the newest is on the disk'
      : `${formatBytes(row.bytesToInstall)} to download, ${formatBytes(row.bytesNeeded)} on disk`;
  return `${size}: \`hyperllama engines ${row.installed ? 'update' : 'install'} ${row.id}\``;
}
