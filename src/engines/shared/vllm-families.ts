/**
 * Answers: what vLLM is told about a model's family and about what requests need of it: which of its
 * parsers reads tool calls and thoughts, adapters, vectors.
 */
import type { EngineInput, PlanArgument, Reason } from '../engine.ts';
import { flag, toggle } from './args.ts';
import { checkToolParser, parserOf, type FamilyRow } from './families.ts';

/** Names from `vllm serve --help`; a family that is not here gets no tool calls. */
const TOOL_PARSERS: readonly FamilyRow[] = [
  { family: 'llama4', parser: 'llama4_pythonic' },
  { family: 'llama', parser: 'llama3_json' },
  { family: 'qwen3', named: /coder/i, parser: 'qwen3_coder' },
  { family: 'qwen3_5', parser: 'qwen3_coder' },
  { family: 'qwen', parser: 'hermes' },
  { family: 'mistral', parser: 'mistral' },
  { family: 'deepseek_v32', parser: 'deepseek_v32' },
  { family: 'deepseek_v3', parser: 'deepseek_v3' },
  { family: 'deepseek_v4', parser: 'deepseek_v4' },
  { family: 'gpt_oss', parser: 'openai' },
  { family: 'glm4', parser: 'glm45' },
  { family: 'kimi_k2', parser: 'kimi_k2' },
  { family: 'minimax_m2', parser: 'minimax_m2' },
  { family: 'seed_oss', parser: 'seed_oss' },
  { family: 'granite', parser: 'granite' },
  { family: 'gemma4', parser: 'gemma4' },
  { family: 'olmo3', parser: 'olmo3' },
];

/**
 * Names from `vllm/reasoning` of 0.32.0; its help lists none. Only models that think unless told
 * otherwise: a parser that waits for the end of a thought takes the whole answer of others for one.
 */
const REASONING_PARSERS: readonly FamilyRow[] = [
  { named: /deepseek-r1/i, parser: 'deepseek_r1' },
  { family: 'qwen3', named: /^(?!.*(instruct|coder))/i, parser: 'qwen3' },
  { family: 'gpt_oss', parser: 'openai_gptoss' },
  { family: 'glm4_moe', parser: 'glm45' },
  { family: 'kimi_k2', named: /thinking/i, parser: 'kimi_k2' },
  { family: 'minimax_m2', parser: 'minimax_m2' },
  { family: 'seed_oss', parser: 'seed_oss' },
  { family: 'mistral', named: /magistral/i, parser: 'mistral' },
];

export function checkTools(input: EngineInput): readonly Reason[] {
  return checkToolParser(input, toolParser(input.model));
}

/** An unknown architecture may be anything: the parser most templates agree with. */
function toolParser(model: EngineInput['model']): string | null {
  return model.architecture === null ? 'hermes' : parserOf(model, TOOL_PARSERS);
}

/** What this model is and what requests need of it. */
export function modelArguments({ model, workload }: EngineInput): readonly (PlanArgument | null)[] {
  if (workload.needs.includes('embeddings') || workload.needs.includes('rerank')) {
    return [flag('--runner', 'pooling', { because: 'vectors, not text', origin: 'workload' })];
  }
  const tools = workload.needs.includes('tools') ? toolParser(model) : null;
  const reasoning = parserOf(model, REASONING_PARSERS);
  return [
    tools === null
      ? null
      : toggle('--enable-auto-tool-choice', {
          because: 'without it tool calls are answered with 400',
          origin: 'workload',
        }),
    tools === null
      ? null
      : flag('--tool-call-parser', tools, { because: 'of this model family', origin: 'model' }),
    reasoning === null
      ? null
      : flag('--reasoning-parser', reasoning, {
          because: 'this family thinks aloud: its thoughts apart from its answer',
          origin: 'model',
        }),
    workload.needs.includes('lora') && model.adapter === undefined
      ? toggle('--enable-lora', { because: 'requests name an adapter', origin: 'workload' })
      : null,
  ];
}
