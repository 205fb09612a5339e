/**
 * Answers: how a command from the configuration becomes an engine. What nobody can know of it
 * (features, memory of its own, log lines) is believed or left out, never guessed against the user.
 */
import type { CommandSettings } from '../../base/config-custom.ts';
import { GIB } from '../../base/units.ts';
import { ENGINE_SPEC } from '../engine.ts';
import type {
  Engine,
  EngineInput,
  EnginePlan,
  PlanArgument,
  Requirements,
  Trait,
  VerdictOk,
} from '../engine.ts';
import type { AdaptedRequest, GenerateRequest } from '../request.ts';
import { flag, positional } from './args.ts';
import { chatRequest, type Features } from './chat.ts';
import { checkEngine, type CheckRules } from './check.ts';
import { features } from './features.ts';
import { modelPath } from './identity.ts';
import { readByRules, type LogRule } from './log-rules.ts';
import { pickMetrics } from './metrics.ts';
import { makePlan } from './plan.ts';
import { programReasons } from './usable.ts';
import { VERSION_UNKNOWN } from './versions.ts';

/** What a chat server may be able to do. Embeddings and reranking are other dialects. */
export const CUSTOM_TRAITS: readonly Trait[] = [
  'structured-output',
  'tools',
  'logprobs',
  'vision',
  'lora',
];

/** Fields beyond OpenAI's are sent to engines only that are known to have them. */
export const CUSTOM_FEATURES: Features = features({
  min_tokens: 'ignored',
  ignore_eos: 'ignored',
});

export const CUSTOM_REQUIREMENTS: Requirements = {
  platforms: ['linux', 'darwin'],
  architectures: ['x64', 'arm64'],
  devices: ['cpu', 'nvidia', 'amd', 'intel', 'apple'],
  pythonMin: '3.10',
};

/** The system's own words, which programs of every kind print. */
const LOG_RULES: readonly LogRule[] = [
  { pattern: /address already in use/i, code: 'HL_ENGINE_PORT_BUSY' },
];

/** Room beside weights and KV cache; what the engine really takes, only its author knows. */
const OVERHEAD_BYTES = 0.25 * GIB;
const SLOTS_MAX = 64;
const GRACE_MS = 10_000;

const WHY: readonly (readonly [string, string])[] = [
  ['{model}', 'the file or folder of the model'],
  ['{socket}', 'a unix socket that only this user can reach'],
  ['{host}', 'this machine only'],
  ['{port}', 'a port that was free just before'],
  ['{context}', 'tokens of context a request may use'],
  ['{slots}', 'requests at once'],
  ['{served-name}', 'the name in requests and replies'],
];

/** `executable` = where the command's program lies; `null` = it was not found. */
export function commandEngine(
  name: string,
  settings: CommandSettings,
  executable: string | null,
): Engine {
  const [program] = settings.words;
  const custom = { kind: 'command', program, executable } as const;
  const requirements = { ...CUSTOM_REQUIREMENTS, devices: settings.devices };
  const rules: CheckRules = {
    traits: CUSTOM_TRAITS,
    formats: settings.formats.map((format) => ({ format, devices: settings.devices })),
    requirements,
    fit: (target) => ({
      kvBytesPerElement: () => 2,
      kvCache: 'reserved',
      overheadBytes: () => OVERHEAD_BYTES,
      memoryShare: 1,
      slotsMax: SLOTS_MAX,
      split: 'layers',
      canOffload: target.device !== 'cpu' && target.device !== 'apple',
    }),
    extra: () => programReasons(custom),
  };
  const engine: Engine = {
    spec: ENGINE_SPEC,
    id: name,
    name,
    homepage: '',
    license: 'NOASSERTION',
    command: program,
    isDriven: true,
    custom,
    versionPinned: VERSION_UNKNOWN,
    traits: rules.traits,
    formats: rules.formats,
    requirements,
    environments: [],
    features: CUSTOM_FEATURES,
    check: (input) => checkEngine(rules, input),
    plan: (input, verdict) => ({
      ...makePlan(engine, input, verdict, {
        version: VERSION_UNKNOWN,
        build: 'custom',
        args: planArguments(settings, input, verdict),
        environment: settings.environment,
        listen: settings.listen,
        readinessPath: settings.ready,
        startMsMax: settings.startSeconds * 1000,
        shutdown: { signal: 'SIGTERM', graceMs: GRACE_MS },
      }),
      service: 'custom',
      executable: executable ?? program,
    }),
    adaptRequest: (request, plan) => customRequest({ name, model: settings.model }, request, plan),
    readLog: (line) => readByRules(LOG_RULES, line),
    readMetrics: (text) => pickMetrics(text, {}),
  };
  return engine;
}

/** The request in OpenAI's words alone; `model` = what it calls the model, `null` = its served name. */
export function customRequest(
  { name, model }: { readonly name: string; readonly model: string | null },
  request: GenerateRequest,
  plan: EnginePlan,
): AdaptedRequest {
  const rules = { engineName: name, features: CUSTOM_FEATURES };
  const adapted = chatRequest(model === null ? rules : { ...rules, model }, request, plan);
  return {
    ...adapted,
    warnings: adapted.warnings.map(({ feature }) => ({
      feature,
      message: `\`${feature}\` is not OpenAI's and ${name} may not know it, so it was left out`,
    })),
  };
}

/** The template's words, in pairs where a flag has a value. The session's own values come later. */
function planArguments(
  { words }: CommandSettings,
  input: EngineInput,
  verdict: VerdictOk,
): readonly PlanArgument[] {
  const values: Readonly<Record<string, string>> = {
    '{model}': modelPath(input.model, verdict.artifact),
    '{context}': String(verdict.contextTokens),
    '{slots}': String(verdict.slots),
  };
  const fill = (word: string): string =>
    word.replaceAll(/\{[a-z-]+\}/g, (placeholder) => values[placeholder] ?? placeholder);
  const args: PlanArgument[] = [];
  const [, ...rest] = words;
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] ?? '';
    const next = rest[at + 1];
    const isPair = word.startsWith('-') && !word.includes('=') && next?.startsWith('-') === false;
    if (isPair) at += 1;
    const why = { because: reasonFor(isPair ? next : word), origin: 'user' } as const;
    args.push(isPair ? flag(fill(word), fill(next), why) : positional(fill(word), why));
  }
  return args;
}

function reasonFor(word: string): string {
  const found = WHY.find(([placeholder]) => word.includes(placeholder));
  return found?.[1] ?? 'from the configuration';
}
