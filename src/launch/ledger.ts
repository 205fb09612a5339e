/**
 * Answers: which sessions there are, and which of them lost their guard. The guards write the
 * ledger, one file a session; we read it, and let the reaper end what a dead guard left behind.
 */
import { join } from 'node:path';
import type { CommandResult } from '../base/exec.ts';
import { listIfAny, readTextIfAny } from '../base/fs.ts';
import type { Address } from '../base/http.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import { servicesFolder, type Paths } from '../base/paths.ts';
import { isPidAlive } from '../base/pid.ts';
import type { Python } from '../base/python.ts';
import { readState } from '../base/state.ts';

export interface LedgerEntry {
  readonly key: string;
  readonly bootId: string | null;
  readonly guard: { readonly pid: number; readonly startTime: number };
  readonly engine: { readonly pid: number; readonly startTime: number } | null;
  readonly control: string;
  readonly address: Address;
  readonly state: 'starting' | 'ready' | 'stopping';
  readonly startMs: number | null;
  readonly startedAt: string;
  readonly logFile: string;
  readonly about: SessionAbout;
}

/** What the starter tells about a session, for `ps` and for sharing it. */
export interface SessionAbout {
  readonly engine: string;
  readonly engineName: string;
  readonly version: string;
  /** Recipe of the environment; `null` = a program of the user's own. */
  readonly recipe: string | null;
  readonly model: string;
  /** Absent in a session of an older release. */
  readonly format?: string;
  readonly quantization?: string | null;
  /** Name of the adapter that every answer is given with. */
  readonly adapter?: string;
  /** Reference of the draft model. */
  readonly draft?: string;
  readonly device: string;
  /** Indices of the accelerators it uses; empty on the CPU. */
  readonly accelerators: readonly number[];
  readonly contextTokens: number;
  readonly slots: number;
  readonly memoryBytes: number;
}

/** For people: what answers there. */
export function modelServed({ model, adapter, draft }: SessionAbout): string {
  const beside = [adapter ?? [], draft === undefined ? [] : `draft ${draft}`].flat();
  return beside.length === 0 ? model : `${model} with ${beside.join(' and ')}`;
}

export const SESSION_SCHEMA = 'hyperllama.session/1';

/** Sweeping a tree is a few milliseconds of `/proc`; a machine with 100,000 processes takes more. */
const REAP_DEADLINE_MS = 30_000;

export function sessionsFolder(paths: Paths): string {
  return join(paths.state, 'sessions');
}

/** Name of the run folder and ledger file: equal plans share a session. */
export function sessionKey(plan: LaunchPlan): string {
  return plan.fingerprint.slice(0, 8);
}

export async function readLedger(paths: Paths): Promise<readonly LedgerEntry[]> {
  const folder = sessionsFolder(paths);
  const names = listIfAny(folder);
  const entries = await Promise.all(
    names.filter((name) => name.endsWith('.json')).map((name) => readState(join(folder, name))),
  );
  return entries.filter((entry) => isLedgerEntry(entry));
}

/** Is the very process that wrote the entry still there? Pid, start time and boot all count. */
export function isGuardAlive(entry: LedgerEntry): boolean {
  if (process.platform !== 'linux') return isPidAlive(entry.guard.pid);
  if (entry.bootId !== null && entry.bootId !== bootId()) return false;
  return processStartTime(entry.guard.pid) === entry.guard.startTime;
}

export interface Reaped {
  readonly sessions: number;
  readonly processes: number;
  /** Why some of it could not be done; what it left is there for the next time. */
  readonly failure: string | null;
}

/** Ends whatever sessions of dead guards left behind. Costs nothing when there are none. */
export async function reapDeadSessions(
  paths: Paths,
  python: () => Promise<Python>,
): Promise<Reaped> {
  const entries = await readLedger(paths);
  if (entries.every((entry) => isGuardAlive(entry))) {
    return { sessions: 0, processes: 0, failure: null };
  }
  const { executable } = await python();
  const { runCommand } = await import('../base/exec.ts');
  const shared = join(servicesFolder(), 'shared');
  const result = await runCommand(
    executable,
    ['-m', 'hyperllama_service.reap', sessionsFolder(paths)],
    // `-m` imports from the working folder first, and the user's may hold a `json.py` of its own.
    { deadlineMs: REAP_DEADLINE_MS, cwd: shared, env: { ...process.env, PYTHONPATH: shared } },
  );
  return readReaped(result);
}

/** What the reaper said; silence and a bad end are failures, never "nothing was there". */
export function readReaped(result: CommandResult): Reaped {
  const events =
    result.kind !== 'exited'
      ? []
      : result.stdout
          .split('\n')
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const reaped = events.filter(({ event }) => event === 'reaped');
  const processes = reaped.map(({ pids }) => (Array.isArray(pids) ? pids.length : 0));
  const told = events.find(({ event }) => event === 'failed')?.['because'];
  const isWhole = events.some(({ event }) => event === 'done');
  const last = result.kind === 'exited' ? result.stderr.trim().split('\n').at(-1) : '';
  const end = result.kind === 'exited' ? `exit ${result.code}` : result.kind;
  const problem = isWhole && end === 'exit 0' ? null : `the reaper ended with ${end}`;
  return {
    sessions: reaped.length,
    processes: processes.reduce((sum, count) => sum + count, 0),
    failure:
      typeof told === 'string'
        ? told
        : problem !== null && last !== undefined && last !== ''
          ? `${problem}: ${last}`
          : problem,
  };
}

function isLedgerEntry(value: unknown): value is LedgerEntry {
  return (
    value !== null &&
    typeof value === 'object' &&
    'schema' in value &&
    value.schema === SESSION_SCHEMA &&
    'guard' in value &&
    'about' in value
  );
}

function bootId(): string | null {
  try {
    return readTextIfAny('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
  } catch {
    return null;
  }
}

/** Clock ticks since boot; `null` when there is no such process. A zombie counts as gone. */
function processStartTime(pid: number): number | null {
  let text: string | null = null;
  try {
    text = readTextIfAny(`/proc/${pid}/stat`);
  } catch {
    // It ended while it was read (ESRCH).
  }
  if (text === null) return null;
  // The name in parentheses may hold spaces and parentheses itself: count from its end.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const isGone = fields[0] === 'Z' || fields[0] === 'X';
  const startTime = Number(fields[19]);
  return isGone || Number.isNaN(startTime) ? null : startTime;
}
