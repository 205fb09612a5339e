/**
 * Answers: how several sessions become one deployment: engines, and a front that sends requests to
 * them. An engine that ends by itself is started again; the end of the front is the end of all. Every session has a guard of its own, so that a killed command leaves none of them.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../base/context.ts';
import { sessionRunFolder } from '../base/paths.ts';
import { fail, toHyperLlamaError } from '../base/errors.ts';
import { formatAddress, getText, type Address } from '../base/http.ts';
import type { EnginePlan, Service } from '../engines/engine.ts';
import { MEETING_FOLDER, type DeployTarget, type Pool } from '../engines/deploy/target.ts';
import { withFingerprint } from '../plan/plan.ts';
import type { ExitedEvent } from './guard-link.ts';
import { failToListen } from './launch.ts';
import { readLedger, sessionKey } from './ledger.ts';
import { isPortFree } from './ports.ts';
import { generateOneToken } from './readiness.ts';
import { startSession } from './start.ts';
import type { Session } from './session.ts';
import { explainExit, failureIn } from './watch-start.ts';

export interface DeploymentPlan {
  readonly target: DeployTarget;
  /** What the plans of the engines start: an engine, or the target's own stand-ins. */
  readonly engine: Service;
  readonly enginesCount: number;
  /** `meetingFolder`: of the front, where stand-ins register; real engines need none. */
  readonly engines: (meetingFolder: string | null) => readonly EnginePlan[];
  /** `engineUrls` is empty where the front is started first. */
  readonly front: (engineUrls: readonly string[]) => EnginePlan;
  /** A way to an engine by a port; `null` = the front needs none. */
  readonly open: ((engine: () => Address) => Promise<Door>) | null;
  /** Of the front; absent = any free one. */
  readonly port?: number;
}

export interface Door {
  readonly url: string;
  end(): Promise<void>;
}

export type DeploymentEvent =
  | { readonly kind: 'engine-ended'; readonly engine: number; readonly how: string }
  | { readonly kind: 'engine-back'; readonly engine: number; readonly startMs: number }
  | { readonly kind: 'engine-lost'; readonly engine: number; readonly because: string }
  | { readonly kind: 'pool'; readonly pool: Pool };

/** A crash that comes back at once is no accident: the others go on without it. */
const RESTARTS_MAX = 3;
/** Slower than a front's own health checks would show every change late. */
const POOL_LOOK_EVERY_MS = 250;
const POOL_DEADLINE_MS = 5_000;
/** A front looks at its engines every 2 s and believes the third look. */
const POOL_FULL_DEADLINE_MS = 60_000;
/** Registering a model is milliseconds; a busy machine takes seconds. */
const PROOF_DEADLINE_MS = 30_000;
/** The engines have proved a token each by then; 12 s was the slowest seen (MLX on a CPU). */
const PROOF_SILENCE_MS = 300_000;

/** Ends what it had started when it fails. @throws what `launch` throws */
export async function startDeployment(
  plan: DeploymentPlan,
  context: Context,
  onEvent: (event: DeploymentEvent) => void,
): Promise<Deployment> {
  const deployment = new Deployment(plan, context, onEvent);
  try {
    await deployment.start();
  } catch (error) {
    await deployment.end();
    throw error;
  }
  return deployment;
}

interface RunningEngine {
  readonly plan: EnginePlan;
  session: Session;
  door: Door | null;
  restarts: number;
}

export class Deployment implements AsyncDisposable {
  readonly #plan: DeploymentPlan;
  readonly #context: Context;
  readonly #onEvent: (event: DeploymentEvent) => void;
  readonly #ending = new AbortController();
  readonly #engines: RunningEngine[] = [];
  /** Restarts and looks at the pool that are under way; none outlives `end`. */
  readonly #work = new Set<Promise<void>>();
  #front: Session | null = null;
  #pool: Pool | null = null;
  #reviving = 0;

  constructor(plan: DeploymentPlan, context: Context, onEvent: (event: DeploymentEvent) => void) {
    this.#plan = plan;
    const signal = AbortSignal.any([context.signal, this.#ending.signal]);
    this.#context = { ...context, signal };
    this.#onEvent = onEvent;
  }

  get front(): Session {
    if (this.#front === null) throw new Error('the front has not been started');
    return this.#front;
  }

  get engines(): readonly Session[] {
    return this.#engines.map(({ session }) => session);
  }

  /** Where the front reaches them; by their own address where no door was opened. */
  get engineUrls(): readonly string[] {
    return this.#engines.map(
      ({ door, session }) => door?.url ?? formatAddress(session.facts.address),
    );
  }

  get pool(): Pool | null {
    return this.#pool;
  }

  /** Engines have to be there before a front that is told of them, and after one they look for. */
  async start(): Promise<void> {
    const { target, front, port } = this.#plan;
    // Before a model is loaded for nothing; the front's own bind decides.
    if (port !== undefined && !(await isPortFree(port))) failToListen(target.id, port);
    if (target.simulation === null) {
      await this.#startEngines(null);
      await this.#startFront(front(this.engineUrls));
    } else {
      await this.#startFront(front([]));
      const { paths } = this.#context;
      await this.#startEngines(join(sessionRunFolder(paths, this.front.facts.key), MEETING_FOLDER));
    }
    this.#engines.forEach((_, engine) => this.#follow(engine));
    this.#during(this.#watchPool());
    await this.untilWhole();
    await this.#prove();
  }

  /** Resolves when the front sends requests to all engines. @throws HL_ENGINE_UNRESPONSIVE */
  async untilWhole(): Promise<void> {
    const begun = performance.now();
    const { signal } = this.#context;
    const healthy = this.#plan.enginesCount;
    while (this.#pool?.healthy !== healthy || this.#reviving > 0) {
      const durationMs = performance.now() - begun;
      if (signal.aborted) return fail('HL_CANCELLED', { phase: 'deploy' });
      if (durationMs > POOL_FULL_DEADLINE_MS) {
        const what = `${this.#pool?.healthy ?? 0} of ${healthy} engines take requests`;
        return fail('HL_ENGINE_UNRESPONSIVE', { engine: this.#plan.target.name, what, durationMs });
      }
      await sleep(POOL_LOOK_EVERY_MS);
    }
  }

  /** Until the user ends it. @throws HL_ENGINE_EXITED when the front ends by itself */
  async untilInterrupted(): Promise<void> {
    const { signal } = this.#context;
    const ended = Promise.withResolvers<ExitedEvent | null>();
    const stopListening = this.front.whenExited(ended.resolve);
    const interrupted = new Promise<'interrupted'>((resolve) => {
      if (signal.aborted) resolve('interrupted');
      signal.addEventListener('abort', () => resolve('interrupted'), { once: true });
    });
    const what = await Promise.race([interrupted, ended.promise]);
    stopListening();
    if (what !== 'interrupted') throw this.#frontError(what);
  }

  /** The process under the session's guard; `null` while there is none. */
  async pidOf({ facts }: Session): Promise<number | null> {
    const entries = await readLedger(this.#context.paths);
    return entries.find(({ key }) => key === facts.key)?.engine?.pid ?? null;
  }

  /** The front first, so that no request comes any more; then the engines. */
  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#work);
    await this.#front?.release();
    await Promise.all(
      this.#engines.map(async ({ session, door }) => {
        await door?.end();
        await session.release();
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /** A token through the front. Dynamo's answers 404 for a moment after it lists its workers. */
  async #prove(): Promise<void> {
    const { target: engine } = this.#plan;
    const { plan, address } = this.front.facts;
    const { signal } = this.#context;
    const proof = { engine, plan, address, signal, silenceDeadlineMs: PROOF_SILENCE_MS };
    const until = performance.now() + PROOF_DEADLINE_MS;
    for (;;) {
      try {
        return await generateOneToken(proof);
      } catch (error) {
        const isRefused = toHyperLlamaError(error).code === 'HL_ENGINE_PROTOCOL';
        if (!isRefused || signal.aborted || performance.now() > until) throw error;
        await sleep(POOL_LOOK_EVERY_MS);
      }
    }
  }

  /** One after the other: the second one finds the weights in the page cache. */
  async #startEngines(meetingFolder: string | null): Promise<void> {
    for (const plan of this.#plan.engines(meetingFolder)) {
      const session = await this.#launch(plan, this.#plan.engine);
      const engine: RunningEngine = { plan, session, door: null, restarts: 0 };
      this.#engines.push(engine);
      engine.door = (await this.#plan.open?.(() => engine.session.facts.address)) ?? null;
    }
  }

  async #startFront(plan: EnginePlan): Promise<void> {
    this.#front = await this.#launch(plan, this.#plan.target, this.#plan.port);
  }

  /** Never a session that is there: another deployment of the same plan keeps its own. */
  async #launch(plan: EnginePlan, engine: Service, port?: number): Promise<Session> {
    const limits = {
      keepAliveMs: 0,
      startDeadlineMs: null,
      ...(port === undefined ? {} : { port }),
    };
    const taken = new Set((await readLedger(this.#context.paths)).map(({ key }) => key));
    for (let replica = 1; ; replica += 1) {
      const own = withFingerprint(plan, replica);
      if (taken.has(sessionKey(own))) continue;
      const session = await startSession({ engine, plan: own }, limits, this.#context);
      if (!session.facts.isAttached) return session;
      // Somebody took the same number at the same instant.
      await session.release();
    }
  }

  #during(work: Promise<void>): void {
    const settled = work.finally(() => this.#work.delete(settled));
    this.#work.add(settled);
  }

  #follow(index: number): void {
    this.#engines[index]?.session.whenExited((exit) => {
      if (this.#ending.signal.aborted) return;
      this.#reviving += 1;
      this.#during(this.#revive(index, exit).finally(() => (this.#reviving -= 1)));
    });
  }

  async #revive(index: number, exit: ExitedEvent | null): Promise<void> {
    const engine = this.#engines[index];
    if (engine === undefined) return;
    const how = exit === null ? 'with its guard' : exit.isWanted ? 'by `stop`' : howItEnded(exit);
    this.#onEvent({ kind: 'engine-ended', engine: index, how });
    await engine.session.release();
    const lost = (because: string): void =>
      this.#onEvent({ kind: 'engine-lost', engine: index, because });
    if (exit?.isWanted === true) return lost('another command stopped it');
    if (engine.restarts >= RESTARTS_MAX) return lost(`it was started ${RESTARTS_MAX} times again`);
    engine.restarts += 1;
    try {
      engine.session = await this.#launch(engine.plan, this.#plan.engine);
    } catch (error) {
      if (this.#context.signal.aborted) return;
      return lost(toHyperLlamaError(error).message);
    }
    const { startMs } = engine.session.facts;
    this.#onEvent({ kind: 'engine-back', engine: index, startMs });
    this.#follow(index);
  }

  async #watchPool(): Promise<void> {
    const { signal } = this.#context;
    const { target } = this.#plan;
    while (!signal.aborted) {
      const limits = { deadlineMs: POOL_DEADLINE_MS, signal };
      const page = await getText(this.front.facts.address, target.poolPath, limits);
      const pool = page === null ? null : target.readPool(page.text);
      if (pool !== null && pool.healthy !== this.#pool?.healthy) {
        this.#pool = pool;
        this.#onEvent({ kind: 'pool', pool });
      }
      await sleep(POOL_LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #frontError(exit: ExitedEvent | null): Error {
    const { target } = this.#plan;
    if (exit === null) {
      return toHyperLlamaError(new Error(`the guard of ${target.name} ended without a word`));
    }
    return explainExit(exit, {
      engine: target.name,
      phase: 'deploy',
      failed: failureIn(exit, target),
      path: this.front.facts.plan.model.ref,
      contextTokens: this.front.facts.plan.contextTokens,
    });
  }
}

function howItEnded({ signal, code }: ExitedEvent): string {
  return signal === null ? `with exit code ${code ?? 'unknown'}` : `by ${signal}`;
}
