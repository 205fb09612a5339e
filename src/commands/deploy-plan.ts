/** Answers: which sessions a deployment on this machine has; asks for what is not installed. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import type { DeployTarget, FrontInput, Simulation } from '../engines/deploy/target.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import { machineReasons } from '../engines/shared/usable.ts';
import { openDoor } from '../gateway/door.ts';
import type { Machine } from '../hardware/machine.ts';
import type { DeploymentPlan } from '../launch/deployment.ts';
import { fetchMissing } from '../launch/start.ts';
import { choose, describe, thisMachine, type Choice, type Wanted } from '../pipeline.ts';
import { withFingerprint } from '../plan/plan.ts';
import type { Workload } from '../workloads/workload.ts';

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
/** @throws whatever stands in the way of an install, and HL_MODEL_FORMAT_UNSUPPORTED */
export async function planLocal(wanted: LocalWanted, context: Context): Promise<DeploymentPlan> {
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
    engines: () => Array.from({ length: ENGINES }, () => choice.plan),
    front: (engineUrls) => front(choice, engineUrls),
    open: openDoor,
  };
}

/** Stand-ins: they need the tokenizer of a safetensors folder, and no engine is decided. */
async function planSimulation(
  wanted: LocalWanted,
  simulation: Simulation,
  context: Context,
): Promise<DeploymentPlan> {
  const { target, workload, model } = wanted;
  const [machine, info] = await Promise.all([thisMachine(context), describe(model, context)]);
  refuseMachine(target, machine);
  const folders = info.artifacts.filter(({ format }) => format !== 'gguf');
  const artifact =
    folders.find(({ path }) => path !== null) ??
    folders.find(({ origin }) => origin === 'conversion');
  if (artifact === undefined) {
    const because = `${target.name} reads the tokenizer of a safetensors folder, and there is none`;
    const hint = 'name a folder with config.json, tokenizer.json and safetensors files';
    return fail('HL_MODEL_FORMAT_UNSUPPORTED', { path: model, because, hint });
  }
  const parts = {
    model: { ref: info.ref, name: info.name, artifact },
    contextTokens: info.contextTokensMax ?? CONTEXT_TOKENS,
    slots: workload.concurrency,
  };
  const plan = frontPlan(target, { ...parts, workload, engineUrls: [] });
  // The model that is fetched is the real one, whatever name it will be served by.
  const fetched = { engine: target, plan: { ...plan, model: parts.model }, machine };
  await fetchMissing(fetched, context);
  if (artifact.path === null) return await planSimulation(wanted, simulation, context);
  const { path } = artifact;
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
      return Array.from({ length: ENGINES }, () => worker);
    },
    front: () => plan,
    open: null,
  };
}

/** Before anything is fetched for it. @throws HL_ENGINE_INSTALL_FAILED */
function refuseMachine(target: DeployTarget, machine: Machine): void {
  const reasons = machineReasons(target, machine);
  if (reasons.length === 0) return;
  const because = reasons.map((reason) => reason.because).join('; ');
  const hint = 'name a target that runs here with `--target`, or other machines with `--nodes`';
  fail('HL_ENGINE_INSTALL_FAILED', { engine: target.name, id: target.id, because, hint });
}

function frontPlan(
  target: DeployTarget,
  { slots, ...parts }: Omit<FrontInput, 'place'>,
): LaunchPlan {
  const { model, engineUrls, workload, contextTokens } = parts;
  const front = { model, engineUrls, workload, contextTokens, slots: slots * ENGINES };
  return withFingerprint(target.planFront({ ...front, place: null }));
}
