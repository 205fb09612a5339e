/** `hyperllama deploy --local`: two engines and a front on this machine, and a proof by a kill. */
import type { Context } from '../base/context.ts';
import { formatAddress } from '../base/http.ts';
import { fail } from '../base/errors.ts';
import type { DeployTarget, FrontInput, Simulation } from '../engines/deploy/target.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import { machineReasons } from '../engines/shared/usable.ts';
import type { Machine } from '../hardware/machine.ts';
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
import { choose, describe, thisMachine, type Choice, type Wanted } from '../pipeline.ts';
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
/** Where a model does not say how much it can read. */
const CONTEXT_TOKENS = 4096;
/** Enough that most are still to come when a quarter is answered: ten seconds on two cores. */
const DEMO_REQUESTS = 48;
const DEMO_REQUESTS_SIMULATED = 300;
const DEMO_TOKENS = 32;
/** Some wait in a queue: those on the killed engine had no token yet. */
const DEMO_OVERLOAD = 1.5;
/** After the recovery, so many more: both engines get some. */
const DEMO_REQUESTS_AFTER = 8;

export async function deployLocal(wanted: LocalWanted, context: Context): Promise<void> {
  const { output } = context;
  const { simulation } = wanted.target;
  const label = simulation === null ? '' : `${simulation.label} `;
  const timeline: TimelineEntry[] = [];
  let sinceMs = performance.now();
  const onEvent = (event: DeploymentEvent): void => {
    const text = eventText(event, label);
    timeline.push({ afterMs: Math.round(performance.now() - sinceMs), event: text });
    output.note(` ${text}`);
  };
  const plan = await planLocal(wanted, context);
  await using deployment = await startDeployment(plan, context, onEvent);
  const facts = await factsOf(deployment, plan);
  if (simulation !== null) output.note(` ${label}${simulation.because}`);
  if (!output.isJson) output.text(deploymentText(facts, label, wanted.isDemo));
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
  else output.text(demoText(demo, label));
  const hasKept =
    demo.inFlightAtKill > 0 &&
    demo.failedBeforeFirstToken === 0 &&
    demo.answeredAfterRecovery === DEMO_REQUESTS_AFTER;
  if (!hasKept) process.exitCode = 1;
}

async function planLocal(wanted: LocalWanted, context: Context): Promise<DeploymentPlan> {
  const { simulation } = wanted.target;
  const plan =
    simulation === null
      ? await planEngines(wanted, context)
      : await planSimulation(wanted, simulation, context);
  return { ...plan, ...(wanted.port === null ? {} : { port: wanted.port }) };
}

/** Engines of ours, decided and planned as ever, each for its share of the machine. */
async function planEngines(wanted: LocalWanted, context: Context): Promise<DeploymentPlan> {
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
  const front = ({ plan }: Choice, engineUrls: readonly string[]): LaunchPlan =>
    frontPlan(target, { workload, engineUrls, ...plan });
  refuseMachine(target, first.machine);
  // What asks first comes first: nobody likes a question after a long download.
  await fetchMissing({ engine: target, plan: front(first, []), machine: first.machine }, context);
  if ((await fetchMissing({ engine: first.decision.engine, ...first }, context)) === null) {
    return await planEngines({ ...wanted, workload: { ...workload, device: 'cpu' } }, context);
  }
  const choice = await choose(chosen, context);
  return {
    target,
    engine: choice.decision.engine,
    enginesCount: ENGINES,
    engines: () =>
      Array.from({ length: ENGINES }, (_, index) => withFingerprint(choice.plan, index + 1)),
    front: (engineUrls) => front(choice, engineUrls),
    open: openDoor,
  };
}

/** Stand-ins: they need the tokenizer of a safetensors folder, and no engine is decided. */
async function planSimulation(
  { target, workload, model }: LocalWanted,
  simulation: Simulation,
  context: Context,
): Promise<DeploymentPlan> {
  const [machine, info] = await Promise.all([thisMachine(context), describe(model, context)]);
  refuseMachine(target, machine);
  const artifact = info.artifacts.find(({ format, path }) => format !== 'gguf' && path !== null);
  if (artifact?.path === undefined || artifact.path === null) {
    const because = `${target.name} reads the tokenizer of a safetensors folder, and there is none`;
    const hint = 'name a folder with config.json, tokenizer.json and safetensors files';
    return fail('HL_MODEL_FORMAT_UNSUPPORTED', { path: model, because, hint });
  }
  const { path } = artifact;
  const parts = {
    model: { ref: info.ref, name: info.name, artifact },
    contextTokens: info.contextTokensMax ?? CONTEXT_TOKENS,
    slots: workload.concurrency,
  };
  const plan = frontPlan(target, { ...parts, workload, engineUrls: [] });
  await fetchMissing({ engine: target, plan, machine }, context);
  return {
    target,
    engine: target,
    enginesCount: ENGINES,
    engines: (meetingFolder) => {
      const worker = simulation.planWorker({
        ...parts,
        modelFolder: path,
        meetingFolder: meetingFolder ?? '',
      });
      return Array.from({ length: ENGINES }, (_, index) => withFingerprint(worker, index + 1));
    },
    front: () => plan,
    open: null,
  };
}

/** Before anything is fetched for it. @throws HL_ENGINE_INSTALL_FAILED */
function refuseMachine({ id, name, requirements }: DeployTarget, machine: Machine): void {
  const reasons = machineReasons({ requirements }, machine);
  if (reasons.length === 0) return;
  const because = reasons.map((reason) => reason.because).join('; ');
  const hint = 'name a target that runs here with `--target`, or other machines with `--nodes`';
  fail('HL_ENGINE_INSTALL_FAILED', { engine: name, id, because, hint });
}

function frontPlan(
  target: DeployTarget,
  { slots, ...parts }: Omit<FrontInput, 'place'>,
): LaunchPlan {
  const { model, engineUrls, workload, contextTokens } = parts;
  const front = { model, engineUrls, workload, contextTokens, slots: slots * ENGINES };
  return withFingerprint(target.planFront({ ...front, place: null }));
}

async function factsOf(deployment: Deployment, plan: DeploymentPlan): Promise<DeploymentFacts> {
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
  const requests = target.simulation === null ? DEMO_REQUESTS : DEMO_REQUESTS_SIMULATED;
  context.output.note(` ${requests} requests, ${options.concurrency} at once`);
  const result = await runFailover({ ...options, requests, kill });
  if (context.signal.aborted) return fail('HL_CANCELLED', { phase: 'demo' });
  await deployment.untilWhole();
  const { pool } = deployment;
  const after = await runFailover({ ...options, requests: DEMO_REQUESTS_AFTER, kill: null });
  return { killed: { engine: 1, pid }, ...result, pool, answeredAfterRecovery: after.answered };
}
