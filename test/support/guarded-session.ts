/**
 * Answers: one session of a guard and its engine, held by a small process that a test may kill, as
 * the CLI would hold it. Below the CLI, so that hundreds of kills take a minute.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cliEnvironment } from './cli.ts';
import { isAlive, listProcesses, hasVariable, seeProcess, type SeenProcess } from './processes.ts';

const STARTER = fileURLToPath(new URL('starter.py', import.meta.url));
const SHARED = fileURLToPath(new URL('../../python-services/shared/', import.meta.url));
export const FAKE_SERVICE: string = fileURLToPath(
  new URL('../fixtures/fake-engine/service.py', import.meta.url),
);

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** A line of the guard (`event`) or of the starter (`phase`). */
export interface SessionLine {
  readonly event?: string;
  readonly phase?: string;
  readonly [field: string]: unknown;
}

export interface SessionOptions {
  readonly home: string;
  readonly faults: readonly string[];
  readonly address?: Address;
  readonly key?: string;
  readonly token?: string;
  /** Tokens of the answer that is streamed after the warm-up; 0 = only start the guard. */
  readonly maxTokens?: number;
  readonly keepAliveMs?: number;
  readonly graceMs?: number;
  /** Runs this instead of the fake engine: a program and its arguments. */
  readonly command?: readonly [string, ...string[]];
  readonly prefix?: readonly string[];
}

let python: string | null = null;

/** The interpreter itself; a version shim in front of it would cost 40 ms a start. */
export function pythonExecutable(): string {
  if (python !== null) return python;
  const script = 'import sys; print(sys.executable)';
  python = spawnSync('python3', ['-c', script], { encoding: 'utf8' }).stdout.trim();
  if (!python.startsWith('/')) throw new Error('no python3 on PATH');
  return python;
}

/** Where the sessions' ledgers of a home lie. */
export function sessionsFolder(home: string): string {
  return join(home, 'state', 'sessions');
}

export class GuardedSession {
  readonly key: string;
  readonly token: string;
  readonly address: Address;
  readonly ledgerFile: string;
  readonly runFolder: string;
  readonly lines: SessionLine[] = [];
  readonly #starter: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #isOver = false;
  #guard: SeenProcess | null = null;

  constructor(options: SessionOptions) {
    this.key = options.key ?? randomBytes(4).toString('hex');
    this.token = options.token ?? randomBytes(16).toString('hex');
    this.runFolder = join(options.home, 'run', this.key);
    this.ledgerFile = join(sessionsFolder(options.home), `${this.key}.json`);
    this.address = options.address ?? { kind: 'unix', path: join(this.runFolder, 'e.sock') };
    mkdirSync(join(options.home, 'run'), { recursive: true, mode: 0o700 });
    mkdirSync(sessionsFolder(options.home), { recursive: true, mode: 0o700 });
    const [file = 'env', ...rest] = options.prefix ?? [];
    this.#starter = spawn(file, [...rest, pythonExecutable(), STARTER], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: cliEnvironment({ home: options.home, faults: options.faults, deadlineMs: 0 }),
    });
    const plan = {
      service: FAKE_SERVICE,
      order: this.#order(options),
      maxTokens: options.maxTokens ?? 0,
    };
    this.#starter.stdin?.on('error', () => undefined);
    this.#starter.stdin?.write(`${JSON.stringify(plan)}\n`);
    if (this.#starter.stdout === null) throw new Error('the starter has no stdout');
    const reader = createInterface({ input: this.#starter.stdout });
    reader.on('line', (line) => this.#take(JSON.parse(line) as SessionLine));
    reader.on('close', () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** Resolves with the first line that `matches`; throws when there will be none, or too late. */
  async line(
    what: string,
    matches: (line: SessionLine) => boolean,
    deadlineMs: number,
  ): Promise<SessionLine> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const found = this.lines.find(matches);
      if (found !== undefined) return found;
      const leftMs = end - performance.now();
      if (this.#isOver || leftMs <= 0) {
        const last = JSON.stringify(this.lines.slice(-3));
        throw new Error(`no ${what} ${this.#isOver ? 'before the end' : 'in time'}: ${last}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(wake, leftMs);
        const waiting = this.#waiting;
        function wake(): void {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        }
        waiting.add(wake);
      });
    }
  }

  async phase(name: string, deadlineMs: number): Promise<SessionLine> {
    return await this.line(`phase ${name}`, (line) => line.phase === name, deadlineMs);
  }

  async event(name: string, deadlineMs: number): Promise<SessionLine> {
    return await this.line(`event ${name}`, (line) => line.event === name, deadlineMs);
  }

  get guardPid(): number {
    return this.#guard?.pid ?? -1;
  }

  /** `kill -9` of the holder. */
  killStarter(): void {
    this.#starter.kill('SIGKILL');
  }

  /** `kill -9` of the guard. Throws when there is none to kill: then nothing was tried. */
  killGuard(): void {
    if (this.#guard === null || !isAlive(this.#guard)) throw new Error('there is no living guard');
    process.kill(this.#guard.pid, 'SIGKILL');
  }

  /** The guard and everything that carries the run token. */
  survivors(): readonly SeenProcess[] {
    const guard = this.#guard;
    return listProcesses().filter(
      (seen) =>
        hasVariable(seen, 'HYPERLLAMA_RUN_TOKEN', this.token) ||
        (seen.pid === guard?.pid && seen.startTime === guard.startTime),
    );
  }

  #order(options: SessionOptions): Record<string, unknown> {
    const address = this.address;
    const [executable = null, ...own] = options.command ?? [];
    const listen =
      address.kind === 'unix'
        ? ['--socket', address.path]
        : ['--host', address.host, '--port', String(address.port)];
    return {
      key: this.key,
      token: this.token,
      runFolder: this.runFolder,
      ledgerFile: this.ledgerFile,
      logFile: join(options.home, 'state', 'logs', `${this.key}.log`),
      keepAliveMs: options.keepAliveMs ?? 0,
      shutdown: { signal: 'SIGTERM', graceMs: options.graceMs ?? 1000 },
      executable,
      argv: executable === null ? listen : own,
      environment: {},
      address,
      about: { engine: 'fake' },
    };
  }

  #take(line: SessionLine): void {
    this.lines.push(line);
    if (line.phase === 'spawn') this.#guard = seeProcess(Number(line['guardPid']));
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** Runs the reaper over a home's sessions; its events. */
export function reap(home: string): readonly SessionLine[] {
  const result = spawnSync(
    pythonExecutable(),
    ['-m', 'hyperllama_service.reap', sessionsFolder(home)],
    { env: { PATH: process.env['PATH'], PYTHONPATH: SHARED }, encoding: 'utf8', timeout: 30_000 },
  );
  if (result.status !== 0)
    throw new Error(`the reaper ended with ${result.status}: ${result.stderr}`);
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SessionLine);
}

/** The ledger as it lies on the disk; `null` = none; throws on anything unreadable. */
export function readLedger(file: string): Record<string, unknown> | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  return JSON.parse(text) as Record<string, unknown>;
}
