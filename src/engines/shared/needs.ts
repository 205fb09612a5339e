/**
 * Answers: what of the workload's needs the model or the engine cannot give. Needs are filters:
 * an engine that lacks one is out, whatever its speed.
 */
import type { ModelTask } from '../../models/model.ts';
import type { Need } from '../../workloads/workload.ts';
import type { EngineInput, Reason, Trait } from '../engine.ts';

const NEED_NAMES: { readonly [need in Need]: string } = {
  'structured-output': 'answers that match a JSON schema',
  tools: 'tool calls',
  lora: 'LoRA adapters',
  vision: 'images',
  logprobs: 'log probabilities',
  embeddings: 'embeddings',
  rerank: 'reranking',
};

/** Needs the engine has no trait for. */
export function checkNeeds(traits: readonly Trait[], input: EngineInput): readonly Reason[] {
  return input.workload.needs
    .filter((need) => !traits.includes(need))
    .map((need) => ({
      code: 'need-unsupported',
      because: `the workload needs ${NEED_NAMES[need]}, which it does not offer`,
      hint: null,
    }));
}

/** Needs the model itself is not made for: no engine can mend that. */
export function checkTask(input: EngineInput): readonly Reason[] {
  const { model, workload } = input;
  const reasons: Reason[] = [];
  if (workload.needs.includes('vision') && model.hasVision === false) {
    reasons.push({
      code: 'model-lacks-vision',
      because: `the workload needs images, ${model.name} reads text only`,
      hint: 'name a model with vision',
    });
  }
  const wanted = taskWanted(workload.needs);
  if (model.task !== null && wanted !== taskKind(model.task)) {
    reasons.push({
      code: 'task-mismatch',
      because: `${model.name} is a model for ${model.task}, the workload is ${wanted}`,
      hint:
        wanted === 'generate'
          ? `use \`--for ${model.task === 'rerank' ? 'rerank' : 'embed'}\``
          : `name a model made for ${wanted}`,
    });
  }
  return reasons;
}

function taskWanted(needs: readonly Need[]): 'embed' | 'rerank' | 'generate' {
  if (needs.includes('rerank')) return 'rerank';
  return needs.includes('embeddings') ? 'embed' : 'generate';
}

function taskKind(task: ModelTask): 'embed' | 'rerank' | 'generate' {
  return task === 'embed' || task === 'rerank' ? task : 'generate';
}
