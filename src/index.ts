/**
 * The library: the same stages the commands use, for programs. The only barrel of the project.
 * Start with `openContext`, then `choose` or `start`, then `generate`; `docs/architecture.md` has
 * the story.
 */
import { loadConfig } from './base/config.ts';
import type { Context } from './base/context.ts';
import { createLog } from './base/log.ts';
import { createOutput } from './base/output.ts';
import { resolvePaths } from './base/paths.ts';
import { findPython, type Python } from './base/python.ts';
import type { GenerateOptions, GenerateResult } from './generate/generate.ts';
import type { GenerateRequest } from './engines/request.ts';
import type { Session } from './launch/session.ts';

export { choose, describe, knownEngines, start, thisMachine } from './pipeline.ts';
export type { Choice, Started, Wanted } from './pipeline.ts';
export type { Context } from './base/context.ts';
export { HyperLlamaError } from './base/errors.ts';
export type { ErrorCode } from './base/errors.ts';
export type { Decision, Rejected } from './decision/decide.ts';
export type {
  Engine,
  EngineInput,
  Installation,
  LaunchPlan,
  Reason,
  Verdict,
} from './engines/engine.ts';
export type { Part } from './engines/parts.ts';
export { EMPTY_REQUEST } from './engines/request.ts';
export type { GenerateRequest, Message } from './engines/request.ts';
export type { GenerateOptions, GenerateResult } from './generate/generate.ts';
export type { Machine } from './hardware/machine.ts';
export type { Session } from './launch/session.ts';
export type { ModelInfo } from './models/model.ts';
export { makeWorkload } from './workloads/presets.ts';
export type { Workload, WorkloadName } from './workloads/workload.ts';

export interface OpenOptions {
  /** Where files lie and what is configured; the process's own when left out. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where `hyperllama.yaml` is looked for, upwards; the working folder when left out. */
  readonly workingFolder?: string;
  /** Aborting it cancels what runs under this context. */
  readonly signal?: AbortSignal;
  /** Answers questions such as whether to go on with a CPU build; no when left out. */
  readonly consent?: (question: string) => Promise<boolean>;
}

/**
 * What every verb needs. Writes nothing to stdout or stderr but warnings, and sets no signal
 * handlers.
 * @throws HL_CONFIG_INVALID naming the file and the key
 */
export async function openContext(options: OpenOptions = {}): Promise<Context> {
  const env = options.env ?? process.env;
  const workingFolder = options.workingFolder ?? process.cwd();
  const paths = resolvePaths(env);
  const config = await loadConfig({ configFolder: paths.config, workingFolder, env });
  let python: Promise<Python> | null = null;
  const asked = config.python.value;
  return {
    paths,
    config,
    env,
    output: createOutput({ isJson: false, isQuiet: true, isVerbose: false }, env),
    log: createLog({ isVerbose: false, write: (line) => process.stderr.write(line) }),
    signal: options.signal ?? new AbortController().signal,
    python: (range) => {
      const find = async (): Promise<Python> =>
        await findPython({ asked, range, cacheFolder: paths.cache, env });
      return range === undefined ? (python ??= find()) : find();
    },
    consent: options.consent ?? (async () => false),
  };
}

/**
 * One request to a session that `start` returned; parts arrive as the engine says them.
 * @throws HL_CONTEXT_EXCEEDED, HL_REQUEST_INVALID, HL_ENGINE_EXITED, HL_ENGINE_OUT_OF_MEMORY,
 *   HL_ENGINE_UNRESPONSIVE, HL_ENGINE_PROTOCOL
 */
export async function generate(
  session: Session,
  request: GenerateRequest,
  options: Partial<GenerateOptions> = {},
): Promise<GenerateResult> {
  // Late, like everywhere: it brings undici, which only a request needs.
  const { generate: send } = await import('./generate/generate.ts');
  return await send(session, request, {
    signal: options.signal ?? null,
    firstByteDeadlineMs: options.firstByteDeadlineMs ?? null,
    contextTokensMax: options.contextTokensMax ?? null,
    onPart: options.onPart ?? (() => undefined),
  });
}
