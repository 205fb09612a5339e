/**
 * Answers: whether an engine can be given the draft model and the adapter that are wanted, and
 * which of the draft's artifacts it loads.
 */
import type { Adapter, Artifact, ModelInfo } from '../../models/model.ts';
import type {
  CompanionSupport,
  DeviceKind,
  EngineInput,
  FormatSupport,
  PlanArgument,
  Reason,
  VerdictOk,
} from '../engine.ts';
import { flag } from './args.ts';
import { formatReason, loadableArtifacts } from './artifacts.ts';
import { modelPath } from './identity.ts';

/** Tokens proposed before the model checks them: what llama.cpp and MLX take by themselves. */
export const DRAFT_TOKENS = 3;
export const DRAFT_WHY = 'proposes tokens that the model only has to check';
export const DRAFT_TOKENS_WHY = 'tokens proposed at a time';

/** All that is loaded and keeps a cache of what was read. */
export function withDraft(model: ModelInfo): readonly ModelInfo[] {
  return model.draft === undefined ? [model] : [model, model.draft];
}

/** For engines that are told the draft's path and the number of tokens; empty without a draft. */
export function draftArguments(
  input: EngineInput,
  verdict: VerdictOk,
  names: { readonly path: string; readonly tokens: string },
): readonly PlanArgument[] {
  const path = draftPath(input, verdict);
  if (path === null) return [];
  return [
    flag(names.path, path, { because: DRAFT_WHY, origin: 'user' }),
    flag(names.tokens, DRAFT_TOKENS, { because: DRAFT_TOKENS_WHY }),
  ];
}

export function checkCompanions(
  support: CompanionSupport,
  { model }: Pick<EngineInput, 'model'>,
): readonly Reason[] {
  const reasons: Reason[] = [];
  if (model.draft !== undefined) reasons.push(...checkDraft(support, model, model.draft));
  if (model.adapter !== undefined) reasons.push(...checkAdapter(support, model, model.adapter));
  return reasons;
}

function checkDraft(
  support: CompanionSupport,
  model: ModelInfo,
  draft: ModelInfo,
): readonly Reason[] {
  if (support.draft === undefined) {
    return [unsupported('a draft model', 'leave `--draft` out or name another engine')];
  }
  const [own, its] = [model.vocabularySize, draft.vocabularySize];
  if (own === null || its === null || Math.abs(own - its) <= support.draft.vocabularySlack)
    return [];
  return [
    {
      code: 'draft-mismatch',
      because: `${draft.name} has a vocabulary of ${its} tokens, ${model.name} one of ${own}: a draft model has to share it`,
      hint: 'name a smaller model of the same family with `--draft`',
    },
  ];
}

function checkAdapter(
  support: CompanionSupport,
  model: ModelInfo,
  adapter: Adapter,
): readonly Reason[] {
  if (support.adapter === undefined) {
    return [unsupported('an adapter', 'leave `--lora` out or name another engine')];
  }
  const reasons: Reason[] = [];
  if (adapter.format !== support.adapter) {
    reasons.push({
      code: 'adapter-format',
      because: `loads adapters as ${FORMAT_NAMES[support.adapter]}, \`${adapter.path}\` is ${FORMAT_NAMES[adapter.format]}`,
      hint:
        support.adapter === 'gguf'
          ? "llama.cpp's `convert_lora_to_gguf.py` makes such a file from a folder of PEFT"
          : null,
    });
  }
  if (
    adapter.hiddenSize !== null &&
    model.hiddenSize !== null &&
    adapter.hiddenSize !== model.hiddenSize
  ) {
    reasons.push({
      code: 'adapter-mismatch',
      because: `\`${adapter.path}\` was made for a model with a hidden size of ${adapter.hiddenSize}, this one has ${model.hiddenSize}`,
      hint: 'name the model it was made for',
    });
  }
  return reasons;
}

const FORMAT_NAMES: { readonly [format in Adapter['format']]: string } = {
  gguf: 'GGUF',
  safetensors: 'safetensors (a folder of PEFT)',
};

function unsupported(what: string, hint: string): Reason {
  return { code: 'companion-unsupported', because: `this version cannot give it ${what}`, hint };
}

/** Where the draft model lies; `null` = none is wanted. */
export function draftPath({ model }: EngineInput, { draft }: VerdictOk): string | null {
  return model.draft === undefined || draft === undefined ? null : modelPath(model.draft, draft);
}

/** Of the draft model: the artifact to load; why there is none; `null` = no draft is wanted. */
export function draftArtifact(
  { draft }: ModelInfo,
  formats: readonly FormatSupport[],
  device: DeviceKind,
): Artifact | Reason | null {
  if (draft === undefined) return null;
  return loadableArtifacts(draft, formats, device)[0] ?? formatReason(draft, formats, device);
}
