/** `hyperllama deploy --local`: two engines and a front on this machine, and a proof by a kill. */
import type { Context } from '../base/context.ts';
import { formatAddress } from '../base/http.ts';
import type { DeployTarget } from '../engines/deploy/target.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import { EMPTY_REQUEST } from '../engines/request.ts';
import { openDoor } from '../gateway/door.ts';
import {
  startDeployment,
  type Deployment,
  type DeploymentEvent,
  type DeploymentPlan,
} from '../launch/deployment.ts';
import { fetchMissing } from '../launch/start.ts';
import { runFailover } from '../measure/failover.ts';
import { choose, type Choice, type Wanted } from '../pipeline.ts';
import { withFingerprint } from '../plan/plan.ts';
import type { Workload } from '../workloads/workload.ts';
import {
  demoText,
  deploymentText,
  eventText,
  type DeploymentFacts,
  type Demo,
  type TimelineEntry,
} from './deploy-report.ts';

export interface LocalWanted {
  readonly model: string;
  readonly target: DeployTarget;
  readonly workload: Workload;
  readonly engineId: string | null;
  /** Of the front; `null` = any free one. */
  readonly port: number | null;
  readonly isDemo: boolean;
}

/** The smallest number that can lose one and go on. */
const ENGINES = 2;
/** Enough that most are still to come when a quarter is answered: ten seconds on two cores. */
const DEMO_REQUESTS = 48;
const DEMO_TOKENS = 32;
/** Some wait in a queue: those on the killed engine had no token yet. */
const DEMO_OVERLOAD = 1.5;
/** After the recovery, so many more: both engines get some. */
const DEMO_REQUESTS_AFTER = 8;

export async function deployLocal(wanted: LocalWanted, context: Context): Promise<void> {
  const { output } = context;
  const timeline: TimelineEntry[] = [];
  let sinceMs = performance.now();
  const onEvent = (event: DeploymentEvent): void => {
    const text = eventText(event);
    timeline.push({ afterMs: Math.round(performance.now() - sinceMs), event: text });
    output.note(` ${text}`);
  };
  const plan = await planLocal(wanted, context);
  await using deployment = await startDeployment(plan, context, onEvent);
  const facts = await describe(deployment, plan);
  if (!output.isJson) output.text(deploymentText(facts, wanted.isDemo));
  if (!wanted.isDemo) {
    if (output.isJson) output.json({ ...facts, demo: null });
    await deployment.untilInterrupted();
    output.note(' ended: no process of it is left');
    return;
  }
  const onKill = (): void => {
    timeline.length = 0;
    sinceMs = performance.now();
  };
  const demo = { ...(await runDemo(deployment, plan, { context, onKill })), timeline };
  if (output.isJson) output.json({ ...facts, demo });
  else output.text(demoText(demo));
  if (demo.failedBeforeFirstToken > 0 || demo.answeredAfterRecovery < DEMO_REQUESTS_AFTER) {
    process.exitCode = 1;
  }
}

/** Engines of ours, decided and planned as ever, each for its share of the machine. */
async function planLocal(wanted: LocalWanted, context: Context): Promise<DeploymentPlan> {
  const { target, workload, model, engineId } = wanted;
  const chosen: Wanted = {
    model,
    workload,
    engineId,
    isToRun: true,
    machine: null,
    replicas: ENGINES,
  };
  const first = await choose(chosen, context);
  // What asks first comes first: nobody likes a question after a long download.
  await fetchMissing(
    { engine: target, plan: frontPlan(target, first, []), machine: first.machine },
    context,
  );
  await fetchMissing({ engine: first.decision.engine, ...first }, context);
  const choice = await choose(chosen, context);
  return {
    target,
    engine: choice.decision.engine,
    enginesCount: ENGINES,
    engines: () =>
      Array.from({ length: ENGINES }, (_, index) => withFingerprint(choice.plan, index + 1)),
    front: (engineUrls) => frontPlan(target, choice, engineUrls),
    open: openDoor,
    ...(wanted.port === null ? {} : { port: wanted.port }),
  };
}

function frontPlan(
  target: DeployTarget,
  { plan, workload }: Choice,
  engineUrls: readonly string[],
): LaunchPlan {
  const { model, contextTokens, slots } = plan;
  const front = { model, engineUrls, workload, contextTokens, slots: slots * ENGINES };
  return withFingerprint(target.planFront({ ...front, isOnThisMachine: true }));
}

async function describe(deployment: Deployment, plan: DeploymentPlan): Promise<DeploymentFacts> {
  const { front, engines, engineUrls } = deployment;
  const { facts } = front;
  return {
    schema: 'hyperllama.deploy/1',
    target: { id: plan.target.id, name: plan.target.name, version: facts.plan.engine.version },
    simulated: plan.target.simulation !== null,
    endpoint: `${formatAddress(facts.address)}/v1`,
    model: facts.plan.model.name,
    front: { session: facts.key, pid: await deployment.pidOf(front) },
    engines: await Promise.all(
      engines.map(async (session, index) => ({
        id: session.facts.plan.engine.id,
        name: plan.engine.name,
        version: session.facts.plan.engine.version,
        url: engineUrls[index] ?? null,
        session: session.facts.key,
        pid: await deployment.pidOf(session),
      })),
    ),
  };
}

async function runDemo(
  deployment: Deployment,
  { target }: DeploymentPlan,
  { context, onKill }: { readonly context: Context; readonly onKill: () => void },
): Promise<Omit<Demo, 'timeline'>> {
  const { front, engines } = deployment;
  const [victim] = engines;
  const pid = victim === undefined ? null : await deployment.pidOf(victim);
  if (pid === null) throw new Error('the engine to kill is gone already');
  const { plan, address } = front.facts;
  const options = {
    address,
    concurrency: Math.ceil(plan.slots * DEMO_OVERLOAD),
    signal: context.signal,
    requestFor: (index: number) => {
      const content = `Tell a story about the number ${index}.`;
      const messages = [{ role: 'user' as const, content }];
      const limits = { maxTokens: DEMO_TOKENS, temperature: 0 };
      return target.adaptRequest({ ...EMPTY_REQUEST, messages, ...limits }, plan);
    },
  };
  const kill = (): void => {
    onKill();
    process.kill(pid, 'SIGKILL');
  };
  context.output.note(` ${DEMO_REQUESTS} requests, ${options.concurrency} at once`);
  const result = await runFailover({ ...options, requests: DEMO_REQUESTS, kill });
  context.signal.throwIfAborted();
  await deployment.untilWhole();
  const after = await runFailover({ ...options, requests: DEMO_REQUESTS_AFTER, kill: null });
  return { killed: { engine: 1, pid }, ...result, answeredAfterRecovery: after.answered };
}
