/**
 * Answers: what `nvidia-smi` printed. Pure. Formats: `nvidia-smi --help-query-gpu` and
 * `nvidia-smi topo -m` of drivers 470 to 580; a field that does not exist makes the whole query
 * fail with exit code 2 and `Field "…" is not a valid field to query.` on stdout.
 */
import { MIB } from '../../base/units.ts';

/** `compute_cap` came with driver 510, `mig.mode.current` with 450. */
export const NVIDIA_FIELDS = [
  'index',
  'name',
  'memory.total',
  'memory.free',
  'driver_version',
  'pci.bus_id',
  'uuid',
  'compute_cap',
  'mig.mode.current',
] as const;

/** What every driver since 2014 answers. */
export const NVIDIA_FIELDS_OLD: readonly NvidiaField[] = NVIDIA_FIELDS.slice(0, 7);

export type NvidiaField = (typeof NVIDIA_FIELDS)[number];

export interface NvidiaRow {
  readonly index: number;
  readonly name: string;
  readonly uuid: string | null;
  readonly memoryBytesTotal: number | null;
  readonly memoryBytesFree: number | null;
  readonly driver: string | null;
  readonly computeCapability: string | null;
  readonly migMode: 'enabled' | 'disabled' | null;
  readonly pciAddress: string | null;
}

/**
 * Rows of `--format=csv,noheader,nounits`. Warnings that the tool mixes in have another number of
 * columns and are passed over; `[N/A]`, `[Not Supported]`, `[Unknown Error]` mean unknown.
 */
export function parseNvidiaRows(
  text: string,
  fields: readonly NvidiaField[],
): readonly NvidiaRow[] {
  return text.split('\n').flatMap((line) => {
    const cells = line.split(',').map((cell) => cell.trim());
    if (cells.length !== fields.length) return [];
    const cell = (field: NvidiaField): string | null => {
      const value = cells[fields.indexOf(field)];
      return value === undefined || value === '' || /^\[.*\]$|^N\/A$/.test(value) ? null : value;
    };
    const index = cell('index');
    const name = cell('name');
    if (index === null || !/^\d{1,4}$/.test(index) || name === null) return [];
    const migMode = cell('mig.mode.current')?.toLowerCase() ?? null;
    return [
      {
        index: Number(index),
        name,
        uuid: cell('uuid'),
        memoryBytesTotal: mebibytes(cell('memory.total')),
        memoryBytesFree: mebibytes(cell('memory.free')),
        driver: cell('driver_version'),
        computeCapability: matching(cell('compute_cap'), /^\d+\.\d+$/),
        migMode: migMode === 'enabled' || migMode === 'disabled' ? migMode : null,
        pciAddress: parseBusId(cell('pci.bus_id')),
      },
    ];
  });
}

/** The query failed because this driver is older than one of the fields. */
export function isUnknownField(text: string): boolean {
  return /Field "[^"]*" is not a valid field/.test(text);
}

/** `00000000:65:00.0` → `0000:65:00.0`: the tool writes the PCI domain with eight digits. */
export function parseBusId(text: string | null): string | null {
  const match = /^([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(text ?? '');
  if (match === null) return null;
  const domain = Number.parseInt(match[1] ?? '', 16)
    .toString(16)
    .padStart(4, '0');
  return `${domain}:${(match[2] ?? '').toLowerCase()}`;
}

/** Colour and underline codes, which `topo -m` prints around its header even into a pipe. */
// oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
const TERMINAL_CODES = /\u001B\[[0-9;]*m/g;

/**
 * From the matrix of `nvidia-smi topo -m`: can every card reach every other over NVLink alone
 * (cells `NV1` … `NV18`)? A chain counts, as in the mesh of eight V100. `null`: not readable.
 */
export function parseNvLink(text: string): boolean | null {
  const lines = text.replaceAll(TERMINAL_CODES, '').split('\n');
  const headerIndex = lines.findIndex((line) => /^\s*GPU0\s/.test(line));
  const header = lines[headerIndex]?.trim().split(/\s+/) ?? [];
  const count = header.filter((word) => /^GPU\d+$/.test(word)).length;
  if (count < 2) return null;
  const links = new Map<number, readonly number[]>();
  for (const line of lines.slice(headerIndex + 1)) {
    const [label = '', ...cells] = line.trim().split(/\s+/);
    const row = /^GPU(\d+)$/.exec(label);
    if (row === null || cells.length < count) continue;
    const linked = cells
      .slice(0, count)
      .flatMap((cell, column) => (/^NV\d+$/.test(cell) ? [column] : []));
    links.set(Number(row[1]), linked);
  }
  return links.size === count ? isConnected(links) : null;
}

function isConnected(links: ReadonlyMap<number, readonly number[]>): boolean {
  const reached = new Set([0]);
  // A Set visits what is added while it is walked.
  for (const card of reached) for (const other of links.get(card) ?? []) reached.add(other);
  return reached.size === links.size;
}

function mebibytes(text: string | null): number | null {
  return matching(text, /^\d{1,9}$/) === null ? null : Number(text) * MIB;
}

function matching(text: string | null, pattern: RegExp): string | null {
  return text !== null && pattern.test(text) ? text : null;
}
