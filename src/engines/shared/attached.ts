/**
 * Answers: how a server that somebody else runs becomes an engine: it is asked, never started or
 * stopped, and nothing is claimed of what it computes on, or with which weights.
 */
import type { ServerSettings } from '../../base/config-custom.ts';
import { MODEL_SCHEMA, type ModelInfo } from '../../models/model.ts';
import { ENGINE_SPEC } from '../engine.ts';
import type { Engine, EngineInput, EnginePlan, Verdict, VerdictOk } from '../engine.ts';
import { CUSTOM_FEATURES, CUSTOM_REQUIREMENTS, CUSTOM_TRAITS, customRequest } from './custom.ts';
import { checkCompanions } from './companions.ts';
import { checkNeeds } from './needs.ts';
import { pickMetrics } from './metrics.ts';
import { VERSION_UNKNOWN } from './versions.ts';

/** It is on: there is nothing to wait for but the first token. */
const READY_MS_MAX = 600_000;

export function attachedEngine(name: string, server: ServerSettings): Engine {
  return {
    spec: ENGINE_SPEC,
    id: name,
    name,
    homepage: '',
    license: 'NOASSERTION',
    isDriven: true,
    custom: { kind: 'server', server },
    versionPinned: VERSION_UNKNOWN,
    traits: CUSTOM_TRAITS,
    formats: [],
    requirements: CUSTOM_REQUIREMENTS,
    environments: [],
    features: CUSTOM_FEATURES,
    check: (input) => check(server, input),
    plan: (input, verdict) => plan(name, server, { input, verdict }),
    adaptRequest: (request, plan) => {
      const adapted = customRequest({ name, model: null }, request, plan);
      return { ...adapted, path: `${server.base}${adapted.path}` };
    },
    readLog: () => null,
    readMetrics: (text) => pickMetrics(text, {}),
  };
}

/** A model of which we know what the user calls it, and nothing else. */
export function namedModel(ref: string): ModelInfo {
  return {
    schema: MODEL_SCHEMA,
    ref,
    name: ref,
    architecture: null,
    task: null,
    hasVision: null,
    parametersTotal: null,
    parametersActive: null,
    contextTokensMax: null,
    hiddenSize: null,
    attentionHeads: null,
    vocabularySize: null,
    attention: null,
    experts: null,
    hasChatTemplate: null,
    artifacts: [],
  };
}

function check(server: ServerSettings, input: EngineInput): Verdict {
  const reasons = [...checkNeeds(CUSTOM_TRAITS, input), ...checkCompanions({}, input)];
  if (reasons.length > 0) return { isOk: false, reasons };
  const because = `\`${server.url}\` is not managed by HyperLlama: what it serves, and on what, is its owner's word`;
  return {
    isOk: true,
    artifact: {
      format: 'gguf',
      quantization: null,
      path: null,
      origin: 'file',
      bytesOnDisk: null,
      weights: null,
      sha256: null,
    },
    device: 'cpu',
    accelerators: [],
    memory: { weightsBytes: 0, kvCacheBytes: 0, overheadBytes: 0, basis: 'formula' },
    contextTokens: 0,
    slots: input.workload.concurrency,
    notes: [{ code: 'unmanaged', because, hint: null }],
  };
}

function plan(
  name: string,
  server: ServerSettings,
  { input, verdict }: { readonly input: EngineInput; readonly verdict: VerdictOk },
): EnginePlan {
  const { ref } = input.model;
  return {
    engine: { id: name, version: VERSION_UNKNOWN, build: 'unmanaged' },
    model: { ref, name: server.model ?? ref, artifact: verdict.artifact },
    service: 'custom',
    recipe: null,
    executable: null,
    args: [],
    environment: {},
    listen: server.address.kind,
    readiness: { path: `${server.base}/v1/models`, deadlineMs: READY_MS_MAX },
    shutdown: { signal: 'SIGTERM', graceMs: 1 },
    device: verdict.device,
    accelerators: [],
    memoryBytes: { weights: 0, kvCache: 0, overhead: 0 },
    contextTokens: verdict.contextTokens,
    slots: verdict.slots,
    parallel: { tensor: 1, pipeline: 1 },
    draft: null,
    attach: server,
  };
}
