/**
 * The one interface behind which every inference engine stands. An engine is data and pure
 * functions: it may not start a process, open a socket or read a file (`test/tidy.test.ts`), so
 * that it is fully tested also where its hardware is missing. See `docs/adding-an-engine.md`.
 */
import type { ServerSettings } from '../base/config-custom.ts';
import type { Machine } from '../hardware/machine.ts';
import type { Adapter, Artifact, ModelInfo, WeightFormat } from '../models/model.ts';
import type { Workload } from '../workloads/workload.ts';
import type { AdaptedRequest, FeatureSupport, GenerateRequest, RequestFeature } from './request.ts';

/** Outside engines carry this literal; another one is refused by name. */
export const ENGINE_SPEC = 'engine-v1';

export interface Engine {
  readonly spec: typeof ENGINE_SPEC;
  /** = name of this file, of the service folder and of the fixture folder. */
  readonly id: string;
  readonly name: string;
  readonly homepage: string;
  /** SPDX identifier. */
  readonly license: string;
  /** What a person types before the arguments, `vllm serve`; the id when absent. */
  readonly command?: string;
  /** Variable from which its own server reads the key it asks of its clients. */
  readonly keyVariable?: string;
  /** `false`: known to the decision and the documents, but this version cannot start it. */
  readonly isDriven: boolean;
  /** Comes with the product: the one engine that is installed without a question. */
  readonly isEmbedded?: true;
  /** From the user's configuration (decision 0010): used when asked for by name, never chosen. */
  readonly custom?: CustomSource;
  /** The release that `environments` installs; a plan without an installation assumes it. */
  readonly versionPinned: string;
  /** Strongest first: of two engines with a trait the tree takes the one that lists it earlier. */
  readonly traits: readonly Trait[];
  readonly formats: readonly FormatSupport[];
  readonly requirements: Requirements;
  /** Ways to install it, first match wins. Empty when `isDriven` is false. */
  readonly environments: readonly EnvironmentRecipe[];
  /** Builds that no recipe has, and how a person gets one; first match wins. */
  readonly guides?: readonly InstallGuide[];
  /** Programs of the same engine that somebody else installed, as an alternative. */
  readonly programs?: readonly ProgramSupport[];
  readonly features: Readonly<Record<RequestFeature, FeatureSupport>>;
  /** What its plan passes on, to be loaded beside the model; absent = nothing. */
  readonly companions?: CompanionSupport;

  /** Can it serve this model for this workload on this machine? All reasons, not the first. */
  check(input: EngineInput): Verdict;
  /** The exact start. Total once `check` has said ok. */
  plan(input: EngineInput, verdict: VerdictOk): EnginePlan;
  /** Our request in the engine's words; what it cannot honour comes back as warnings. */
  adaptRequest(request: GenerateRequest, plan: EnginePlan): AdaptedRequest;
  /** What one line of the engine's log says; `null` = nothing of interest. */
  readLog(line: string): LogReading | null;
  /** The engine's metrics page in our names and units; a missing value is `null`. */
  readMetrics(text: string): EngineMetrics;
}

export type CustomSource =
  | {
      readonly kind: 'command';
      /** As the configuration has it. */
      readonly program: string;
      /** Where it was found; `null` = nowhere. */
      readonly executable: string | null;
    }
  /** *Unmanaged*: somebody else starts, stops and configures it. */
  | { readonly kind: 'server'; readonly server: ServerSettings };
/**
 * What a folder under `python-services/` serves and the launch has to know of it: an engine, or what
 * stands in front of several (`deploy/target.ts`).
 */
export type Service = Pick<
  Engine,
  | 'id'
  | 'name'
  | 'versionPinned'
  | 'isEmbedded'
  | 'custom'
  | 'programs'
  | 'guides'
  | 'requirements'
  | 'environments'
  | 'adaptRequest'
  | 'readLog'
>;

/** What the tree may prefer an engine for. A new word needs a decision record. */
export const TRAITS = [
  'continuous-batching',
  'prefix-cache',
  'paged-kv',
  'unified-memory',
  'cpu-capable',
  'offload',
  'gguf',
  'exl-weights',
  'compiled-graph',
  'ahead-of-time',
  'portable',
  'speculative',
  'lora',
  'structured-output',
  'tools',
  'logprobs',
  'vision',
  'embeddings',
  'rerank',
  'multi-gpu',
  'multi-node',
  'sleep',
] as const;
export type Trait = (typeof TRAITS)[number];

/** Where the weights are computed on. */
export type DeviceKind = 'cpu' | 'nvidia' | 'amd' | 'intel' | 'apple';

export interface FormatSupport {
  readonly format: WeightFormat;
  readonly devices: readonly DeviceKind[];
  /** Absent = every quantization of the format. Compared without regard to case. */
  readonly quantizations?: readonly string[];
}

/** Where a model has a draft or an adapter, and the engine is not known to take it, it refuses. */
export interface CompanionSupport {
  /** A draft model, whose vocabulary may be so many tokens larger or smaller; absent = none. */
  readonly draft?: { readonly vocabularySlack: number };
  /** A LoRA adapter in this format; absent = none. */
  readonly adapter?: Adapter['format'];
}

/** Data, printed by `engines` and checked by `engines/shared/requirements.ts`. */
export interface Requirements {
  readonly platforms: readonly ('linux' | 'darwin' | 'win32')[];
  readonly architectures: readonly ('x64' | 'arm64')[];
  readonly devices: readonly DeviceKind[];
  /** Lowest NVIDIA compute capability, `8.0`. */
  readonly computeCapabilityMin?: string;
  /** Lowest NVIDIA driver, `580.65`. */
  readonly nvidiaDriverMin?: string;
  /** AMD targets it has kernels for. */
  readonly gfx?: readonly string[];
  /** All of these on x64 CPUs, when the weights are computed on the CPU. */
  readonly isaX64?: readonly string[];
  /** Lowest glibc, `2.34`. */
  readonly glibcMin?: string;
  readonly pythonMin: string;
  /** Newest Python its wheels are for, `3.12`; absent = any. */
  readonly pythonMax?: string;
}

export interface EnvironmentRecipe {
  /** `cpu`, `cuda`: part of the environment's folder name. */
  readonly id: string;
  readonly when: {
    readonly platforms: readonly string[];
    readonly devices: readonly DeviceKind[];
    /** AMD targets it has kernels for; absent = any card of these devices. */
    readonly gfx?: readonly string[];
  };
  /** File under `python-services/<id>/` with exact versions and sha256 hashes. */
  readonly lock: string;
  /** Package index other than the configured one; `null` = the configured one. */
  readonly index: string | null;
  readonly bytesDownload: number;
  readonly bytesOnDisk: number;
}

/** What is said in place of an install. */
export interface InstallGuide {
  readonly when: Pick<EnvironmentRecipe['when'], 'platforms' | 'devices'>;
  /** Why no lock has it. */
  readonly because: string;
  /** What to run, or where it is described. */
  readonly hint: string;
}

/** What `describe` of the service, or a binary's `--version`, reported. */
export interface Installation {
  readonly version: string;
  /** The build, where an engine has several: `xllamacpp`, `llama-server`. */
  readonly build: string;
  /** Recipe that made it; `null` = not made by us. */
  readonly recipe: string | null;
  /** Environment folder, or the binary's path for a build that is not ours. */
  readonly path: string;
  /** What the build can use: `['cpu']`, `['cpu', 'nvidia']`. */
  readonly devices: readonly DeviceKind[];
}

/** A program found in the configuration or on PATH; becomes the `build` of its installation. */
export interface ProgramSupport {
  readonly name: string;
  /** Arguments that make it print its version, and the devices it can use. */
  readonly versionArgs: readonly string[];
  readonly devicesArgs: readonly string[];
  /** `null` = another program of that name; `refusal` = why this version will not do. */
  readVersion(
    version: string,
    devices: string,
  ): {
    readonly version: string;
    readonly devices: readonly DeviceKind[];
    readonly refusal: string | null;
  } | null;
}

export interface EngineInput {
  readonly machine: Machine;
  readonly model: ModelInfo;
  readonly workload: Workload;
  /** `null` = judge the pinned version. */
  readonly installation: Installation | null;
  /** A port is needed, because others than this machine's user come to it; absent = its own choice. */
  readonly listen?: 'tcp';
}

export interface Reason {
  /** Stable word for tests and scripts, kebab-case: `format-unsupported`. */
  readonly code: string;
  /** A fact of this case, with its values. */
  readonly because: string;
  /** What to run or change; `null` = nothing helps. */
  readonly hint: string | null;
}

export type Verdict = VerdictOk | VerdictRefused;

export interface VerdictOk {
  readonly isOk: true;
  readonly artifact: Artifact;
  /** Of the draft model, when one is wanted. */
  readonly draft?: Artifact;
  readonly device: DeviceKind;
  /** Indices of the accelerators used; empty on the CPU. */
  readonly accelerators: readonly number[];
  readonly memory: MemoryNeed;
  readonly contextTokens: number;
  readonly slots: number;
  /** What was adapted and why: a smaller context, layers left in main memory. */
  readonly notes: readonly Reason[];
}

export interface VerdictRefused {
  readonly isOk: false;
  /** Every reason, never empty. */
  readonly reasons: readonly Reason[];
}

export interface MemoryNeed {
  readonly weightsBytes: number;
  readonly kvCacheBytes: number;
  readonly overheadBytes: number;
  /** How far to trust it: from an engine's own report, from earlier starts, or computed. */
  readonly basis: 'measured' | 'learned' | 'formula';
}

export interface PlanArgument {
  /** In full: `--ctx-size`. */
  readonly flag: string;
  /** `null` = a switch without a value. May hold `{host} {port} {metrics-port} {socket} {served-name}`. */
  readonly value: string | null;
  readonly because: string;
  readonly origin: 'engine' | 'machine' | 'model' | 'workload' | 'user';
}

/** A model as a plan loads it. */
export interface PlannedModel {
  readonly ref: string;
  readonly name: string;
  readonly artifact: Artifact;
}

/** Serialisable; holds no port, path of a socket or secret, so that equal plans are equal. */
export interface EnginePlan {
  readonly engine: { readonly id: string; readonly version: string; readonly build: string };
  readonly model: PlannedModel;
  /** Folder under `python-services/`. */
  readonly service: string;
  /** Which environment to start from; `null` = the binary at `executable`. */
  readonly recipe: string | null;
  /** A program that is not ours to install, started by the same guard; `null` = the service's own. */
  readonly executable: string | null;
  readonly args: readonly PlanArgument[];
  /** Variables beyond the allow-list every engine gets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly listen: 'unix' | 'tcp';
  readonly readiness: {
    readonly path: string;
    /** Longest start that is still believed in; the stall timer usually speaks first. */
    readonly deadlineMs: number;
    /** It cannot be asked for a token by itself: half of a pair whose other half starts later. */
    readonly isPageEnough?: true;
  };
  readonly shutdown: { readonly signal: 'SIGTERM' | 'SIGINT'; readonly graceMs: number };
  readonly device: DeviceKind;
  readonly accelerators: readonly number[];
  readonly memoryBytes: {
    readonly weights: number;
    readonly kvCache: number;
    readonly overhead: number;
  };
  readonly contextTokens: number;
  readonly slots: number;
  readonly parallel: { readonly tensor: number; readonly pipeline: number };
  /** Speculative decoding: the draft model; `null` = off. */
  readonly draft: PlannedModel | null;
  /** What every answer is given with; absent = the model as it is. */
  readonly adapter?: Adapter;
  /**
   * The running server to ask, instead of a start. Nothing is known of its memory, device and
   * weights: what stands there means nothing, and is not shown.
   */
  readonly attach?: ServerSettings;
}

/** An engine's plan with the key under which a running session may be shared. */
export interface LaunchPlan extends EnginePlan {
  /** 16 hex digits over everything above that changes what is served. */
  readonly fingerprint: string;
}

export type LogReading =
  | { readonly kind: 'progress'; readonly label: string; readonly fraction: number | null }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly code: EngineFailureCode; readonly because: string };

/** Codes of the error table an engine's own log can prove. */
export type EngineFailureCode =
  | 'HL_ENGINE_EXITED'
  | 'HL_ENGINE_OUT_OF_MEMORY'
  | 'HL_ENGINE_PORT_BUSY'
  | 'HL_MODEL_CORRUPT'
  | 'HL_MODEL_NOT_FOUND'
  | 'HL_MODEL_FORMAT_UNSUPPORTED'
  | 'HL_CONTEXT_EXCEEDED'
  | 'HL_OPTION_INVALID';

export interface EngineMetrics {
  readonly requestsRunning: number | null;
  readonly requestsWaiting: number | null;
  /** 0–1 */
  readonly kvCacheUse: number | null;
  /** 0–1 */
  readonly prefixCacheHitRatio: number | null;
  /** Since the engine's start. */
  readonly promptTokensTotal: number | null;
  readonly outputTokensTotal: number | null;
}
