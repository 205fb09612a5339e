/** `hyperllama deploy --local`: two engines and a front on this machine, and a proof by a kill. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { formatAddress } from '../base/http.ts';
import { EMPTY_REQUEST } from '../engines/request.ts';
import {
  startDeployment,
  type Deployment,
  type DeploymentEvent,
  type DeploymentPlan,
} from '../launch/deployment.ts';
import { runFailover } from '../measure/failover.ts';
import { planLocal, type LocalWanted } from './deploy-plan.ts';
import {
  demoText,
  deploymentText,
  eventText,
  type Demo,
  type DeploymentFacts,
  type TimelineEntry,
} from './deploy-report.ts';

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
