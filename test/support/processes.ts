/**
 * Answers: which processes are alive, decided by what the kernel says about them (`/proc`), never
 * by a name. Linux only.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface SeenProcess {
  readonly pid: number;
  /** Clock ticks since boot; with the pid it names one process for ever. */
  readonly startTime: number;
  readonly parent: number;
  readonly commandLine: string;
  readonly environment: string;
}

/** Between two looks at `/proc`: one look costs about as much. */
const LOOK_EVERY_MS = 4;

/** Every process that is not a zombie and whose environment we may read. */
export function listProcesses(): readonly SeenProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => seeProcess(Number(name)))
    .filter((seen) => seen !== null);
}

/** `null` = gone, a zombie, or a kernel thread. */
export function seeProcess(pid: number): SeenProcess | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name may hold spaces and brackets: fields are counted from the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return {
      pid,
      startTime: Number(fields[19]),
      parent: Number(fields[1]),
      commandLine: readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' '),
      environment: readFileSync(`/proc/${pid}/environ`, 'latin1'),
    };
  } catch {
    return null;
  }
}

/** Whether `NAME=value` stands in its environment. */
export function hasVariable(seen: SeenProcess, name: string, value: string): boolean {
  return `\0${seen.environment}`.includes(`\0${name}=${value}\0`);
}

export function processesWithToken(token: string): readonly SeenProcess[] {
  return listProcesses().filter((seen) => hasVariable(seen, 'HYPERLLAMA_RUN_TOKEN', token));
}

/**
 * Everything that works for a home: the CLIs, installers and guards (by their environment) and the
 * engines (by a path in their arguments; their environment is an allow-list without the home).
 */
export function processesOfHome(home: string): readonly SeenProcess[] {
  return listProcesses().filter(
    (seen) => hasVariable(seen, 'HYPERLLAMA_HOME', home) || seen.commandLine.includes(`${home}/`),
  );
}

/** The guards and engines among them, by the script each runs. */
export function guardsOfHome(home: string): readonly SeenProcess[] {
  return processesOfHome(home).filter(({ commandLine }) => commandLine.includes('.py serve'));
}

export function enginesOfHome(home: string): readonly SeenProcess[] {
  return processesOfHome(home).filter(({ commandLine }) => commandLine.includes('.py host'));
}

/** Whether this very process, not a later one with its number, is alive. */
export function isAlive(process: { readonly pid: number; readonly startTime: number }): boolean {
  return seeProcess(process.pid)?.startTime === process.startTime;
}

/** Looks until `condition` holds; the time that took in ms. Throws at the deadline. */
export async function until(
  what: string,
  condition: () => boolean,
  deadlineMs: number,
): Promise<number> {
  const begun = performance.now();
  while (!condition()) {
    if (performance.now() - begun > deadlineMs) {
      throw new Error(`not within ${deadlineMs} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return performance.now() - begun;
}

/** A process in the middle of its exec shows an empty environment: one look can miss it. */
const STAYS_EMPTY_MS = 60;

export interface Emptied {
  /** Until the last process was gone for good. */
  readonly ms: number;
  /** Looks that saw somebody after one that had seen nobody. */
  readonly reappearances: number;
}

/** Looks until `find` has found nobody for a while. Throws at the deadline, naming who is left. */
export async function untilEmpty(
  find: () => readonly SeenProcess[],
  deadlineMs: number,
): Promise<Emptied> {
  const begun = performance.now();
  let emptySince: number | null = null;
  let reappearances = 0;
  for (;;) {
    const seen = find();
    const now = performance.now();
    if (seen.length > 0) {
      if (emptySince !== null) reappearances += 1;
      emptySince = null;
      if (now - begun > deadlineMs) {
        throw new Error(`alive after ${deadlineMs} ms: ${describeProcesses(seen)}`);
      }
    } else {
      emptySince ??= now;
      if (now - emptySince >= STAYS_EMPTY_MS) return { ms: emptySince - begun, reappearances };
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** For messages: `4711 python3 server.py --socket …`. */
export function describeProcesses(seen: readonly SeenProcess[]): string {
  return seen.map(({ pid, commandLine }) => `${pid} ${commandLine.trim()}`).join('; ');
}

/** Ends what a failed trial left, so that it does not disturb the next one. */
export function endAll(seen: readonly SeenProcess[]): void {
  for (const left of seen.filter(isAlive)) {
    try {
      process.kill(left.pid, 'SIGKILL');
    } catch {
      // It ended by itself in between.
    }
  }
}
