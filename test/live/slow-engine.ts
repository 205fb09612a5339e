/**
 * Answers: what the live tests of the slow engines share: whether one runs here, a home in which it
 * is installed, and whether a session left anything behind.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import {
  describeProcesses,
  listProcesses,
  processesOfHome,
  processesWithToken,
  untilEmpty,
  type SeenProcess,
} from '../support/processes.ts';
import { keptHome, live, type LiveHome } from './home.ts';

/** `HYPERLLAMA_TEST_LIVE=max,vllm` or `all`: minutes each, so only when they are asked for. */
export function isAsked(id: string): boolean {
  const asked = (process.env['HYPERLLAMA_TEST_LIVE'] ?? '').split(',');
  return asked.includes(id) || asked.includes('all');
}

/** For the name of a suite: why it does not run, or nothing. */
export function whyNot(id: string): string {
  return isAsked(id) ? '' : `: not asked for by HYPERLLAMA_TEST_LIVE=${id}`;
}

/** Gigabytes from an index over a slow line. */
export const SLOW_INSTALL_DEADLINE_MS = 1_800_000;
/** A start that compiles the model on two busy cores, and the answer. */
export const SLOW_START_DEADLINE_MS = 900_000;
/** The grace of a plan, and what the guard takes to end a tree, several times over. */
const EMPTY_DEADLINE_MS = 60_000;

/** Installs by the command a user would type. Fails, and does not skip, without a network. */
export async function installedHome(id: string): Promise<LiveHome> {
  const kept = process.env['HYPERLLAMA_TEST_HOME'] ?? '';
  const home = kept === '' ? temporaryHome() : keptHome(kept);
  const result = await live(['engines', 'install', id, '--yes'], {
    home: home.path,
    deadlineMs: SLOW_INSTALL_DEADLINE_MS,
  });
  if (result.code !== 0) {
    home[Symbol.dispose]();
    throw new Error(`${id} could not be installed:\n${result.stderr}`);
  }
  return { ...home, trial: () => temporaryHome({ dataOf: home.path }) };
}

/** What a session's guard wrote down of it. */
export interface Ledger {
  readonly token: string;
  readonly address: { readonly port: number };
  readonly engine: { readonly pid: number } | null;
}

/** The ledger of the one session of this home; `null` before it is there. */
export function ledgerOf(home: TemporaryHome): Ledger | null {
  const folder = join(home.path, 'state', 'sessions');
  try {
    const [file] = readdirSync(folder).filter((name) => name.endsWith('.json'));
    return JSON.parse(readFileSync(join(folder, file ?? ''), 'utf8')) as Ledger;
  } catch {
    return null;
  }
}

/** The engine and everything it started, the guard not. */
export function engineTree(home: TemporaryHome): readonly SeenProcess[] {
  const ledger = ledgerOf(home);
  return ledger === null ? [] : processesWithToken(ledger.token);
}

const SHARED_MEMORY = '/dev/shm';

/** What was there when the suite began. */
const MEMORY_BEFORE = new Set(readdirSync(SHARED_MEMORY));

/** Newer segments that no process has mapped; others may be at work beside the test. */
function strandedMemory(): readonly string[] {
  const mapped = new Set(listProcesses().flatMap(({ pid }) => mappedInodes(pid)));
  const isStranded = (name: string): boolean => {
    const found = statSync(join(SHARED_MEMORY, name), { throwIfNoEntry: false });
    return found !== undefined && !mapped.has(found.ino);
  };
  return readdirSync(SHARED_MEMORY).filter((name) => !MEMORY_BEFORE.has(name) && isStranded(name));
}

function mappedInodes(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'latin1')
      .split('\n')
      .filter((line) => line.includes(SHARED_MEMORY))
      .map((line) => Number(line.split(/\s+/)[4]));
  } catch {
    return [];
  }
}

/**
 * No process, no socket, no run folder, no ledger; nor a segment of shared memory or a temporary
 * file that the engine was seen to leave when it was killed.
 */
export async function expectNothingLeft(
  home: TemporaryHome,
  seen: {
    readonly ledger: Ledger | null;
    readonly temporary?: RegExp;
  },
): Promise<void> {
  const { ledger, temporary } = seen;
  const left = (): readonly SeenProcess[] => [
    ...processesOfHome(home.path),
    ...(ledger === null ? [] : processesWithToken(ledger.token)),
  ];
  await untilEmpty(left, EMPTY_DEADLINE_MS).catch(() => undefined);
  expect(describeProcesses(left())).toBe('');
  expect(readdirSync(join(home.path, 'run'))).toEqual([]);
  expect(readdirSync(join(home.path, 'state', 'sessions'))).toEqual([]);
  expect(strandedMemory()).toEqual([]);
  if (temporary !== undefined) {
    expect(readdirSync(tmpdir()).filter((name) => temporary.test(name))).toEqual([]);
  }
}
