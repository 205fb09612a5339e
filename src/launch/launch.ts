/**
 * Answers: how a plan becomes a session: join the one that runs, else start a guard, watch the
 * start, prove a token. Nothing here outlives the lease it returns.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../base/http.ts';
import { makeFolder } from '../base/folders.ts';
import { sessionRunFolder } from '../base/paths.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import type { LaunchOptions } from './launch-options.ts';
import { spawnGuard } from './guard-process.ts';
import { connectGuard, guardFailure, GuardLink, type SessionEvent } from './guard-link.ts';
import { sessionKey } from './ledger.ts';
import { guardOrder, logFile, usesPlaceholder } from './order.ts';
import { freePort, LOOPBACK } from './ports.ts';
import { Session } from './session.ts';

/** Addresses tried before a squatter wins. */
const ADDRESS_ATTEMPTS_MAX = 5;
/** A guard that holds the lock but does not answer is starting or ending: both take seconds. */
const CONTENTION_DEADLINE_MS = 60_000;
const CONTENTION_POLL_MS = 25;
/** A guard killed before its first word is tried again; one that cannot run never will. */
const MUTE_GUARDS_MAX = 3;
/** Guards that were killed while their engine started; each start takes its time again. */
const LOST_GUARDS_MAX = 5;
/** The end of a guard's output and its exit come together. */
const EXIT_WORD_MS = 1_000;
/** A Python that starts and reads one line: 30 ms when quiet. */
const GUARD_DEADLINE_MS = 30_000;

/**
 * @throws HL_ENGINE_EXITED, HL_ENGINE_OUT_OF_MEMORY, HL_ENGINE_START_TIMEOUT, HL_ENGINE_PORT_BUSY,
 *   HL_CANCELLED, and what the engine's own log proves (HL_MODEL_CORRUPT, …)
 */
export async function launch(plan: LaunchPlan, options: LaunchOptions): Promise<Session> {
  let contendedSince = performance.now();
  let [muteGuards, lostGuards] = [0, 0];
  for (let attempt = 1; ;) {
    if (options.signal.aborted) return fail('HL_CANCELLED', { phase: 'start' });
    const joined = await joinSession(plan, options, attempt);
    if ('problem' in joined) {
      if (joined.problem !== null) muteGuards += 1;
      if (joined.problem !== null && muteGuards >= MUTE_GUARDS_MAX) {
        return failToStart(joined.problem, plan, options);
      }
    } else {
      const session = await settle(joined, plan, options);
      if (session === 'address-busy') {
        if (options.port !== undefined) return failToListen(plan.engine.id, options.port);
        if (attempt >= ADDRESS_ATTEMPTS_MAX) {
          const because = 'another program listened there first, each time';
          return fail('HL_ENGINE_PORT_BUSY', {
            engine: plan.engine.id,
            attempts: attempt,
            because,
          });
        }
        options.log.warn('address taken by another program, trying the next', { attempt });
        attempt += 1;
        continue;
      }
      if (session !== 'retry') return session;
      // A guard was there and is gone: that is not the wait for one that neither answers nor ends.
      lostGuards += 1;
      contendedSince = performance.now();
      if (lostGuards >= LOST_GUARDS_MAX) return failToStart('was killed each time', plan, options);
    }
    if (performance.now() - contendedSince > CONTENTION_DEADLINE_MS) {
      return fail('HL_ENGINE_UNRESPONSIVE', {
        engine: options.engine.name,
        what: 'the guard of this session neither answers nor ends',
        durationMs: performance.now() - contendedSince,
      });
    }
    await sleep(CONTENTION_POLL_MS);
  }
}

/** @throws HL_ENGINE_PORT_BUSY for the one port that was asked for */
export function failToListen(engine: string, port: number): never {
  const because = `another program listens on port ${port}`;
  const hint = 'name another port, or leave it out';
  return fail('HL_ENGINE_PORT_BUSY', { engine, attempts: 1, because, hint });
}

/** An interpreter that is gone or broken, as after an upgrade of the system's Python. */
function failToStart(problem: string, plan: LaunchPlan, options: LaunchOptions): never {
  const isOurs = options.python.startsWith(join(options.paths.data, 'engines'));
  const remedy = `run \`hyperllama engines remove ${plan.engine.id}\`; the next start installs it anew`;
  return fail('HL_ENGINE_EXITED', {
    engine: options.engine.name,
    how: `its guard, run by \`${options.python}\`, ${problem}`,
    phase: 'start',
    ...(isOurs ? { hint: remedy } : {}),
  });
}

interface Joined {
  readonly link: GuardLink;
  readonly first: SessionEvent;
  readonly isStarter: boolean;
}

/** Why there is no session this time; `null` = for a reason that passes. */
interface NotJoined {
  readonly problem: string | null;
}

/** A lease on the session of this plan: the running one, or one we started. */
async function joinSession(
  plan: LaunchPlan,
  options: LaunchOptions,
  attempt: number,
): Promise<Joined | NotJoined> {
  const key = sessionKey(plan);
  const runFolder = sessionRunFolder(options.paths, key);
  const existing = await connectGuard(join(runFolder, 'c.sock'));
  const address = existing === null ? await chooseAddress(plan, runFolder, options.port) : null;
  if (existing === null && usesPlaceholder(plan, '{cache}'))
    await makeFolder(options.engineCacheFolder);
  const metricsPort =
    address !== null && usesPlaceholder(plan, '{metrics-port}') ? await freePort() : 0;
  const own =
    address === null
      ? null
      : startGuard(plan, options, { key, runFolder, attempt, address, metricsPort });
  const link = existing ?? own?.link;
  if (link === undefined) return { problem: null };
  // Loaded while the guard is on its way: it brings undici (20 ms).
  void import('./watch-start.ts').catch(() => undefined);
  const first = await firstEvent(link, options);
  if (first === null) {
    const problem = own === null ? null : await own.problem();
    // One that hangs would keep this process with its open end.
    link.destroy();
    return { problem };
  }
  if (first === 'busy' || first.state === 'stopping') {
    link.end();
    return { problem: null };
  }
  return { link, first, isStarter: existing === null };
}

async function settle(
  { link, first, isStarter }: Joined,
  plan: LaunchPlan,
  options: LaunchOptions,
): Promise<Session | 'address-busy' | 'retry'> {
  const facts = {
    key: sessionKey(plan),
    engine: options.engine,
    plan,
    address: first.address,
    startMs: 0,
    loadMs: null,
    isAttached: !isStarter,
    logFile: logFile(options.paths, sessionKey(plan)),
  };
  if (first.state === 'ready') return new Session(facts, link);
  options.onPhase('start', options.engine.name, null);
  try {
    const { watchStart } = await import('./watch-start.ts');
    const started = await watchStart(link, { plan, first, options });
    if (started === 'address-busy' || started === 'retry') {
      link.end();
      return started;
    }
    // Who joined a start that was under way did not pay for it from its beginning.
    if (!isStarter) return new Session(facts, link);
    return new Session({ ...facts, startMs: started.startMs, loadMs: started.loadMs }, link);
  } catch (error) {
    // The start failed or was given up: let go, and let the guard clear the tree before we report.
    const session = new Session(facts, link);
    await session.release();
    throw error;
  }
}

/** The guard's first word: a session, or that another guard holds it; `null` = not a word. */
async function firstEvent(
  link: GuardLink,
  options: LaunchOptions,
): Promise<SessionEvent | 'busy' | null> {
  return await new Promise((resolve, reject) => {
    const finish = (result: SessionEvent | 'busy' | null | Error): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      stopListening();
      if (result instanceof Error) {
        link.end();
        reject(result);
      } else {
        resolve(result);
      }
    };
    const onAbort = (): void => finish(new HyperLlamaError('HL_CANCELLED', { phase: 'start' }));
    const timer = setTimeout(() => finish(null), GUARD_DEADLINE_MS);
    options.signal.addEventListener('abort', onAbort, { once: true });
    const stopListening = link.listen((event) => {
      if (event.event === 'session') finish(event);
      else if (event.event === 'busy') finish('busy');
      else if (event.event === 'failed') {
        const context = { engine: options.engine.name, stateFolder: options.paths.state };
        finish(guardFailure(event, { ...context, phase: 'start' }));
      }
    });
    void link.closed.then(() => finish(null));
    if (options.signal.aborted) onAbort();
  });
}

interface OwnGuard {
  readonly link: GuardLink;
  /** How it ended without a word; `null` when it was killed, or is still there. */
  readonly problem: () => Promise<string | null>;
}

function startGuard(
  plan: LaunchPlan,
  options: LaunchOptions,
  place: { key: string; runFolder: string; attempt: number; address: Address; metricsPort: number },
): OwnGuard {
  const guard = options.spare?.take(options) ?? spawnGuard(options, options.env);
  const link = new GuardLink(guard.stdout, guard.stdin);
  const order = guardOrder(plan, options, place);
  guard.stdin.write(`${JSON.stringify(order)}\n`);
  const late = async (): Promise<null> => await sleep(EXIT_WORD_MS, null, { ref: false });
  return { link, problem: async () => await Promise.race([guard.ended, late()]) };
}

/** A socket in the session's own folder, or a port on this machine alone. */
async function chooseAddress(
  plan: LaunchPlan,
  runFolder: string,
  port: number | undefined,
): Promise<Address> {
  if (plan.listen === 'unix') return { kind: 'unix', path: join(runFolder, 'e.sock') };
  return { kind: 'tcp', host: LOOPBACK, port: port ?? (await freePort()) };
}
