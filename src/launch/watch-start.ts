/**
 * Answers: does this start get anywhere? Follows the guard's events and the engine's log from spawn
 * to ready, and turns every way a start can fail into one error with its cause.
 */
import { HyperLlamaError } from '../base/errors.ts';
import type { Address } from '../base/http.ts';
import { formatBytes, formatDuration } from '../base/units.ts';
import type { Service, EngineFailureCode, LaunchPlan, LogReading } from '../engines/engine.ts';
import { guardFailure } from './guard-link.ts';
import type { ExitedEvent, GuardEvent, GuardLink, SessionEvent } from './guard-link.ts';
import type { LaunchOptions } from './launch-options.ts';
import { waitReady } from './readiness.ts';

/** No log byte, CPU time, I/O or memory growth for this long: nothing is happening any more. */
const STALL_DEADLINE_MS = 300_000;
/** Silence worth telling the user about. */
const QUIET_REMARK_MS = 5_000;
const ENGINE_LOG_LINES_MAX = 20;

export type StartOutcome =
  | { readonly startMs: number; readonly loadMs: number }
  | 'address-busy'
  | 'retry';

/** @throws the error that names why the start failed */
export async function watchStart(link: GuardLink, context: StartContext): Promise<StartOutcome> {
  const start = new StartWatch(link, context);
  try {
    return await start.run(context.first);
  } finally {
    start.dispose();
  }
}

interface StartContext {
  readonly plan: LaunchPlan;
  readonly first: SessionEvent;
  readonly options: LaunchOptions;
}

class StartWatch {
  readonly #link: GuardLink;
  readonly #plan: LaunchPlan;
  readonly #options: LaunchOptions;
  readonly #address: Address;
  readonly #startedAt = performance.now();
  readonly #given = new AbortController();
  readonly #stallMs: number;
  /** The engine's last lines, for a start that is given up while it is still running. */
  readonly #lines: string[] = [];
  #phase = 'start';
  #listeningAt: number | null = null;
  #label = '';
  #fraction: number | null = null;
  readonly #saidReady = Promise.withResolvers<void>();
  #dispose: () => void = () => undefined;

  constructor(link: GuardLink, { plan, first, options }: StartContext) {
    this.#link = link;
    this.#plan = plan;
    this.#options = options;
    this.#address = first.address;
    const scaled = Number(options.env['HYPERLLAMA_STALL_MS']);
    this.#stallMs = scaled > 0 ? scaled : STALL_DEADLINE_MS;
  }

  dispose(): void {
    this.#dispose();
  }

  async run(first: SessionEvent): Promise<StartOutcome> {
    return await new Promise<StartOutcome>((resolve, reject) => {
      const finish = (outcome: StartOutcome | Error): void => {
        this.#given.abort(new HyperLlamaError('HL_CANCELLED', { phase: this.#phase }));
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const limitMs = this.#options.startDeadlineMs ?? this.#plan.readiness.deadlineMs;
      const deadline = setTimeout(
        () => finish(this.#timeout(`longer than the ${formatDuration(limitMs)} allowed`)),
        limitMs,
      );
      const onAbort = (): void =>
        finish(new HyperLlamaError('HL_CANCELLED', { phase: this.#phase }));
      this.#options.signal.addEventListener('abort', onAbort, { once: true });
      const stopListening = this.#link.listen((event) => this.#onEvent(event, finish));
      void this.#link.closed.then(() => finish('retry'));
      this.#dispose = () => {
        clearTimeout(deadline);
        stopListening();
        this.#options.signal.removeEventListener('abort', onAbort);
      };
      if (this.#options.signal.aborted) onAbort();
      if (first.isListening) this.#proveReady(finish);
    });
  }

  #onEvent(event: GuardEvent, finish: (outcome: StartOutcome | Error) => void): void {
    switch (event.event) {
      case 'log':
        this.#lines.push(event.line);
        if (this.#lines.length > ENGINE_LOG_LINES_MAX) this.#lines.shift();
        return this.#onLog(this.#options.engine.readLog(event.line));
      case 'alive':
        return this.#onAlive(event, finish);
      case 'listening':
        return this.#proveReady(finish);
      case 'squatted':
        return finish('address-busy');
      case 'ready':
        return finish({ startMs: event.startMs, loadMs: this.#loadMs() });
      case 'exited':
        return finish(this.#explainExit(event));
      case 'failed': {
        const stateFolder = this.#options.paths.state;
        const context = { engine: this.#name(), phase: this.#phase, stateFolder };
        return finish(guardFailure(event, context));
      }
      default:
        return undefined;
    }
  }

  /** Whoever shares this start may prove it; the guard tells all of them once one has. */
  #proveReady(finish: (outcome: StartOutcome | Error) => void): void {
    if (this.#listeningAt !== null) return;
    this.#listeningAt = performance.now();
    const { engine } = this.#options;
    waitReady({
      engine,
      plan: this.#plan,
      address: this.#address,
      signal: this.#given.signal,
      onPhase: (phase) => this.#enter(phase),
      saidReady: this.#saidReady.promise,
    }).then(
      () => this.#link.send({ command: 'ready' }),
      (error: unknown) => {
        if (this.#given.signal.aborted) return;
        // The engine may just have died: its exit, which comes with the cause, is the better error.
        const fallback = error instanceof Error ? error : new Error(String(error));
        setTimeout(() => finish(fallback), EXIT_WORD_MS).unref();
      },
    );
  }

  #onAlive(
    event: Extract<GuardEvent, { event: 'alive' }>,
    finish: (outcome: StartOutcome | Error) => void,
  ): void {
    if (event.quietMs > this.#stallMs) {
      finish(this.#timeout(`no sign of work for ${formatDuration(event.quietMs)}`));
      return;
    }
    const rss = event.rssBytes === null ? '' : formatBytes(event.rssBytes);
    const quiet =
      event.quietMs < QUIET_REMARK_MS ? '' : `, quiet for ${formatDuration(event.quietMs)}`;
    this.#options.onPhase(
      this.#phase,
      `${this.#label || this.#name()} ${rss}${quiet}`,
      this.#fraction,
    );
  }

  #onLog(reading: LogReading | null): void {
    if (reading?.kind === 'ready') this.#saidReady.resolve();
    if (reading?.kind !== 'progress') return;
    [this.#label, this.#fraction] = [reading.label, reading.fraction];
    this.#options.onPhase(this.#phase, this.#label, this.#fraction);
  }

  #enter(phase: string): void {
    [this.#phase, this.#label, this.#fraction] = [phase, '', null];
    this.#options.onPhase(phase, this.#name(), null);
  }

  #explainExit(exit: ExitedEvent): HyperLlamaError | 'address-busy' {
    const failed = failureIn(exit, this.#options.engine);
    if (failed?.code === 'HL_ENGINE_PORT_BUSY') return 'address-busy';
    return explainExit(exit, {
      engine: this.#name(),
      phase: this.#phase,
      failed,
      path: this.#plan.model.artifact.path ?? this.#plan.model.ref,
      contextTokens: this.#plan.contextTokens,
    });
  }

  #timeout(limit: string): HyperLlamaError {
    const durationMs = performance.now() - this.#startedAt;
    const params = { engine: this.#name(), phase: this.#phase, durationMs, limit };
    return new HyperLlamaError('HL_ENGINE_START_TIMEOUT', params, { engineLog: this.#lines });
  }

  #loadMs(): number {
    return (this.#listeningAt ?? performance.now()) - this.#startedAt;
  }

  #name(): string {
    return this.#options.engine.name;
  }
}

/** How long the guard may take to tell of an exit that our socket has seen already. */
const EXIT_WORD_MS = 1_000;

/** What the engine's last lines prove of its end; the most telling one. */
export function failureIn(
  exit: ExitedEvent,
  engine: Service,
): Extract<LogReading, { kind: 'failed' }> | null {
  const failures = exit.tail
    .map((line) => engine.readLog(line))
    .filter((reading) => reading?.kind === 'failed');
  return failures.find(({ code }) => code !== 'HL_ENGINE_EXITED') ?? failures[0] ?? null;
}

/** An exit with its cause: the engine's log first, the kernel's word second. */
export function explainExit(
  exit: ExitedEvent,
  context: {
    readonly engine: string;
    readonly phase: string;
    readonly failed: { readonly code: EngineFailureCode; readonly because: string } | null;
    readonly path: string;
    readonly contextTokens: number;
  },
): HyperLlamaError {
  const { engine, phase, failed, path } = context;
  // We hold it, so somebody's `stop` ended it: starting it again would undo that.
  if (exit.isWanted) {
    return new HyperLlamaError('HL_ENGINE_EXITED', {
      engine,
      how: 'another command stopped it (`hyperllama stop`)',
      phase,
      hint: 'run the command again to start a new engine',
    });
  }
  const engineLog = exit.tail.slice(-ENGINE_LOG_LINES_MAX);
  const how = describeExit(exit);
  if (exit.isOom) {
    return new HyperLlamaError('HL_ENGINE_OUT_OF_MEMORY', { engine, how, phase }, { engineLog });
  }
  switch (failed?.code) {
    case 'HL_MODEL_CORRUPT':
    case 'HL_MODEL_FORMAT_UNSUPPORTED':
      return new HyperLlamaError(failed.code, { path, because: failed.because }, { engineLog });
    case 'HL_MODEL_NOT_FOUND':
      return new HyperLlamaError(failed.code, { ref: path, nearest: [] }, { engineLog });
    case 'HL_CONTEXT_EXCEEDED': {
      const params = { promptTokens: null, contextTokens: context.contextTokens };
      return new HyperLlamaError(failed.code, params, { engineLog });
    }
    case 'HL_ENGINE_OUT_OF_MEMORY':
      return new HyperLlamaError(
        failed.code,
        { engine, how: failed.because, phase },
        { engineLog },
      );
    case 'HL_OPTION_INVALID':
    case 'HL_ENGINE_EXITED':
    case 'HL_ENGINE_PORT_BUSY':
    case undefined: {
      const words = failed === null ? how : `${how}: ${failed.because}`;
      return new HyperLlamaError('HL_ENGINE_EXITED', { engine, how: words, phase }, { engineLog });
    }
  }
}

function describeExit(exit: ExitedEvent): string {
  if (exit.isOom) return 'the kernel ended it, because the memory limit was reached';
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  return `exit code ${exit.code ?? 'unknown'}`;
}
