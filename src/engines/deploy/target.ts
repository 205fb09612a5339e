/**
 * What stands behind `deploy --target`: a program that spreads requests over engines, on this
 * machine or on many. Like an engine it is data and pure functions; unlike one it serves no model
 * by itself, so the decision never sees it. See `docs/decisions/0011-deploy-targets.md`.
 */
import type { Workload } from '../../workloads/workload.ts';
import type { Engine, EnginePlan, PlanArgument, Service } from '../engine.ts';

/** Folder in the front's run folder where simulated engines register; gone with the front. */
export const MEETING_FOLDER = 'kv';

export interface DeployTarget extends Service, Pick<Engine, 'homepage' | 'license' | 'command'> {
  /** The process that clients talk to. Placeholders as in an engine's plan. */
  planFront(front: FrontInput): EnginePlan;
  /** Page of the front that tells how many engines it sends requests to. */
  readonly poolPath: string;
  /** `null` = not such a page. */
  readPool(text: string): Pool | null;
  /** What a node runs in place of the engine's own server; `null` = that server itself. */
  readonly worker: ((input: WorkerInput) => WorkerPlan) | null;
  /**
   * A line for the front's machine that tells it of an engine with a key; `null` = it asks engines
   * for nothing. `key` is a shell's word for the key, never the key.
   */
  readonly join: ((input: JoinInput) => string) | null;
  /** What the user has to know or start besides, before what `deploy --nodes` prints. */
  remarks(front: Place): readonly string[];
  /** Stand-ins for engines, where this machine cannot run the real ones; `null` = engines of ours. */
  readonly simulation: Simulation | null;
}

export interface FrontInput {
  readonly model: EnginePlan['model'];
  /** Where the engines listen, `http://127.0.0.1:41234`; a target that finds them itself ignores it. */
  readonly engineUrls: readonly string[];
  readonly workload: Workload;
  readonly contextTokens: number;
  /** Requests that all engines together compute at once. */
  readonly slots: number;
  /** `null` = this machine only. */
  readonly place: Place | null;
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface WorkerInput {
  /** Of the engine, for the node's machine. */
  readonly plan: EnginePlan;
  readonly node: Place;
  readonly front: Place;
}

export type WorkerPlan =
  | {
      readonly isOk: true;
      readonly command: string;
      readonly args: readonly PlanArgument[];
      readonly environment: Readonly<Record<string, string>>;
      /** Path on the node's port that tells how it is. */
      readonly healthPath: string;
    }
  | { readonly isOk: false; readonly because: string };

export interface JoinInput {
  readonly frontUrl: string;
  readonly engineUrl: string;
  readonly key: string;
}

/** Engines that take requests just now. */
export interface Pool {
  readonly healthy: number;
  /** Those it knows of; `null` where it forgets the dead ones. */
  readonly total: number | null;
}

export interface Simulation {
  /** Said wherever an answer of it is shown. */
  readonly label: string;
  readonly because: string;
  /** Starts after the front, in whose run folder they meet. */
  planWorker(input: {
    readonly model: EnginePlan['model'];
    /** Of a safetensors folder: tokenizer and configuration are read, no weight is. */
    readonly modelFolder: string;
    readonly meetingFolder: string;
    readonly slots: number;
    readonly contextTokens: number;
  }): EnginePlan;
}

/** The parts of a plan that say nothing where no weights are loaded. */
export function planWithoutWeights(
  service: Pick<Service, 'id' | 'versionPinned' | 'environments'>,
  model: EnginePlan['model'],
  parts: Pick<
    EnginePlan,
    'args' | 'environment' | 'readiness' | 'shutdown' | 'contextTokens' | 'slots'
  > & { readonly build: string; readonly memoryBytes: number },
): EnginePlan {
  const { build, memoryBytes, ...rest } = parts;
  return {
    engine: { id: service.id, version: service.versionPinned, build },
    model,
    service: service.id,
    recipe: service.environments[0]?.id ?? null,
    executable: null,
    ...rest,
    listen: 'tcp',
    device: 'cpu',
    accelerators: [],
    memoryBytes: { weights: 0, kvCache: 0, overhead: memoryBytes },
    parallel: { tensor: 1, pipeline: 1 },
    draft: null,
  };
}
