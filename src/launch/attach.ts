/**
 * Answers: how a running server that is not ours becomes a session: it lists its models, one of
 * them is chosen, and it generates one token. It is never started, stopped or reconfigured.
 */
import type { Context } from '../base/context.ts';
import { fail, HyperLlamaError } from '../base/errors.ts';
import type { ServerSettings } from '../base/config-custom.ts';
import type { Engine, LaunchPlan } from '../engines/engine.ts';
import type { Workload } from '../workloads/workload.ts';
import { lookAt, readKey } from './servers.ts';
import { Session } from './session.ts';
import type { StartLimits } from './start.ts';

/** A list of models is at hand; a server in the middle of a prefill may be late with it. */
const LOOK_DEADLINE_MS = 15_000;

export interface AttachPlan {
  readonly engine: Engine;
  readonly plan: LaunchPlan;
  readonly workload: Workload;
}

/**
 * @throws HL_SERVER_UNREACHABLE, HL_SERVER_UNAUTHORIZED, HL_SERVER_MODEL_UNKNOWN,
 *   HL_CONFIG_INVALID for a key that cannot be sent, HL_ENGINE_START_TIMEOUT, HL_CANCELLED
 */
export async function attach(
  { engine, plan, workload }: AttachPlan,
  limits: StartLimits,
  context: Context,
): Promise<Session> {
  const { attach: server } = plan;
  if (server === undefined) throw new Error(`${engine.id} is started, not attached`);
  if (limits.keepAliveMs > 0) warnWithoutEffect('--keep-alive', context);
  if (workload.contextTokens !== null) warnWithoutEffect('--context', context);
  const headers = requestHeaders(engine.id, server, context);
  const progress = context.output.progress();
  progress.phase('attach', server.url);
  try {
    const models = await listModels(engine.id, server, { headers, signal: context.signal });
    const name = chooseModel(models, { engine: engine.id, server, ref: plan.model.ref });
    const facts = {
      key: '',
      engine,
      plan: { ...plan, model: { ...plan.model, name } },
      address: server.address,
      startMs: 0,
      loadMs: null,
      isAttached: true,
      logFile: '',
    };
    const session = new Session(facts, null, headers);
    progress.phase('warm-up', name);
    const deadlineMs = limits.startDeadlineMs ?? plan.readiness.deadlineMs;
    await proveToken(session, { url: server.url, deadlineMs, context });
    return session;
  } finally {
    progress.stop();
  }
}

function warnWithoutEffect(option: string, { log }: Context): void {
  log.warn(`\`${option}\` has no effect on a server that HyperLlama does not manage`);
}

interface KeyPlace {
  readonly env: NodeJS.ProcessEnv;
  /** For the message when the variable holds no key. */
  readonly config: { readonly custom: { readonly origin: string } };
}

/** What goes with each request. @throws HL_CONFIG_INVALID for a key that cannot be sent */
export function requestHeaders(
  name: string,
  server: ServerSettings,
  { config, env }: KeyPlace,
): Readonly<Record<string, string>> {
  const { key, problem } = readKey(server, env);
  if (problem === null) return key === null ? {} : { authorization: `Bearer ${key}` };
  return fail('HL_CONFIG_INVALID', {
    file: config.custom.origin,
    problem: `\`engines.custom.${name}.key\`: ${problem}`,
    hint: `set it in the environment of this command`,
  });
}

async function listModels(
  engine: string,
  server: ServerSettings,
  options: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const look = await lookAt(server, { ...options, deadlineMs: LOOK_DEADLINE_MS });
  if (options.signal.aborted) return fail('HL_CANCELLED', { phase: 'attach' });
  const { url, keyVariable: variable } = server;
  switch (look.kind) {
    case 'models':
      return look.models;
    case 'locked':
      return fail('HL_SERVER_UNAUTHORIZED', { engine, url, status: look.status, variable });
    case 'foreign':
    case 'away':
      return fail('HL_SERVER_UNREACHABLE', { engine, url, because: look.because });
  }
}

/**
 * The configured name; else what the user typed, where the server has it; else its only model. A
 * name it does not list is refused here, because many servers answer with another model instead.
 */
export function chooseModel(
  has: readonly string[],
  asked: { readonly engine: string; readonly server: ServerSettings; readonly ref: string },
): string {
  const { engine, server, ref } = asked;
  const { model, url } = server;
  if (model !== null) {
    // A list may be empty before the first request.
    if (has.length === 0 || has.includes(model)) return model;
    return fail('HL_SERVER_MODEL_UNKNOWN', { engine, url, model, has });
  }
  if (has.includes(ref)) return ref;
  const [only] = has;
  if (has.length === 1 && only !== undefined) return only;
  if (has.length > 0) return fail('HL_SERVER_MODEL_UNKNOWN', { engine, url, model, has });
  const because = 'it lists no models, and none is named';
  const hint = `load one there, or name it with \`engines.custom.${engine}.model\``;
  return fail('HL_SERVER_UNREACHABLE', { engine, url, because, hint });
}

interface Proof {
  readonly url: string;
  readonly deadlineMs: number;
  readonly context: Context;
}

async function proveToken(session: Session, { url, deadlineMs, context }: Proof): Promise<void> {
  const { engine, plan, address } = session.facts;
  const begun = performance.now();
  const late = AbortSignal.timeout(deadlineMs);
  const signal = AbortSignal.any([context.signal, late]);
  const headers = session.requestHeaders();
  const { generateOneToken } = await import('./readiness.ts');
  try {
    await generateOneToken({ engine, plan, address, signal, headers });
  } catch (error) {
    if (context.signal.aborted) return fail('HL_CANCELLED', { phase: 'warm-up' });
    if (late.aborted) {
      return fail('HL_ENGINE_START_TIMEOUT', {
        engine: engine.name,
        phase: 'warm-up',
        durationMs: performance.now() - begun,
        limit: 'no token within the time allowed',
        hint: '`--timeout` allows a longer wait; a server that loads the model first needs it',
      });
    }
    if (!(error instanceof HyperLlamaError)) throw error;
    const said = error.details['because'];
    const because = session.withoutKey(typeof said === 'string' ? said : error.message);
    const hint = 'the server lists its models but does not generate: its own log says why';
    return fail('HL_SERVER_UNREACHABLE', { engine: engine.id, url, because, hint });
  }
}
