/**
 * Answers: which model a GGUF file holds: its description from metadata keys and tensor index.
 */
import { fail } from '../base/errors.ts';
import type { GgufFile } from './gguf-file.ts';
import { ggufAttention, ggufKeys, type GgufKeys } from './gguf-layers.ts';
import { fileTypeName, quantizationName } from './ggml-types.ts';
import { MODEL_SCHEMA, type ModelInfo, type ModelTask } from './model.ts';
import { parametersActive, summariseWeights } from './weights.ts';

/** No causal decoding and so no KV cache: they turn a text into one vector or score. */
const ENCODERS = new Set([
  'bert',
  'nomic-bert',
  'nomic-bert-moe',
  'jina-bert-v2',
  'jina-bert-v3',
  'modern-bert',
  'neo-bert',
  'eurobert',
  'gemma-embedding',
  't5encoder',
]);

/** Families with a separate projector file: whether it is at hand, this file cannot say. */
const MAYBE_VISION = /(?:vl|vlmoe|vl2|gemma3|gemma3n|gemma4|llama4|mistral3|minicpm|glm4v)/;

const POOLING_RANK = 4;

/** `ref` and the artifact's path and origin are the caller's to fill in. */
export function ggufModel(file: GgufFile, ref: string): ModelInfo {
  const architecture = textOf(file, 'general.architecture');
  if (architecture === null) {
    fail('HL_MODEL_CORRUPT', { path: file.path, because: 'it lacks `general.architecture`' });
  }
  refuseParts(file, architecture);
  const keys = ggufKeys(file.metadata, architecture);
  const isEncoder =
    ENCODERS.has(architecture) || file.metadata.get(`${architecture}.attention.causal`) === false;
  const experts = expertsOf(keys);
  const weights = file.tensors.map(({ name, bytes, elements }) => {
    return { name, bytes, parameters: elements };
  });
  const summary = summariseWeights(weights, isEncoder);
  return {
    schema: MODEL_SCHEMA,
    ref,
    name: nameOf(file),
    architecture,
    task: taskOf(file, keys, isEncoder),
    hasVision: MAYBE_VISION.test(architecture) ? null : false,
    parametersTotal: summary.index.parameters,
    parametersActive: parametersActive(summary, experts),
    contextTokensMax: keys.number('context_length'),
    hiddenSize: keys.number('embedding_length'),
    attentionHeads: attentionHeads(keys),
    vocabularySize: vocabularySize(file, keys),
    attention: isEncoder ? [] : ggufAttention(keys, architecture),
    experts,
    hasChatTemplate: textOf(file, 'tokenizer.chat_template') !== null,
    artifacts: [
      {
        format: 'gguf',
        quantization: quantizationOf(file),
        path: file.path,
        origin: 'file',
        bytesOnDisk: file.bytesOnDisk,
        weights: summary.index,
        sha256: null,
      },
    ],
  };
}

function refuseParts(file: GgufFile, architecture: string): void {
  const type = textOf(file, 'general.type');
  const isProjector = architecture === 'clip' || type === 'mmproj';
  if (!isProjector && type !== 'adapter' && type !== 'imatrix' && type !== 'dataset') return;
  const what = isProjector ? 'a vision projector' : `of type \`${type ?? ''}\``;
  fail('HL_MODEL_FORMAT_UNSUPPORTED', {
    path: file.path,
    because: `it is ${what}, not a language model`,
    hint: 'give the GGUF file of the language model itself',
  });
}

function textOf(file: GgufFile, key: string): string | null {
  const value = file.metadata.get(key);
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The file's name without extension, part number and quantization: metadata names vary wildly. */
function nameOf(file: GgufFile): string {
  const base = file.path.slice(file.path.lastIndexOf('/') + 1);
  const stem = base.replace(/\.gguf$/i, '').replace(/-\d{5}-of-\d{5}$/, '');
  const quantization = /[.\-_](?:UD-)?(?:I?Q\d\w*|TQ\d_\d|MXFP4\w*|NVFP4|BF16|F16|F32|FP16)$/i;
  const name = stem.replace(quantization, '');
  const isHash = /^(?:sha256-)?[0-9a-f]{32,}$/.test(name);
  return isHash || name === '' ? (textOf(file, 'general.name') ?? stem) : name;
}

function taskOf(file: GgufFile, keys: GgufKeys, isEncoder: boolean): ModelTask {
  const pooling = keys.number('pooling_type');
  if (pooling === POOLING_RANK) return 'rerank';
  if (isEncoder || (pooling !== null && pooling > 0)) return 'embed';
  return textOf(file, 'tokenizer.chat_template') === null ? 'completion' : 'chat';
}

function expertsOf(keys: GgufKeys): { readonly total: number; readonly used: number } | null {
  const total = keys.number('expert_count');
  const used = keys.number('expert_used_count');
  if (total === null || used === null || total < 1 || used < 1 || used > total) return null;
  return { total, used };
}

function attentionHeads(keys: GgufKeys): number | null {
  const single = keys.number('attention.head_count');
  if (single !== null) return single;
  const numbers = keys.list('attention.head_count')?.filter((n) => typeof n === 'number') ?? [];
  return numbers.length === 0 ? null : Math.max(...numbers);
}

function vocabularySize(file: GgufFile, keys: GgufKeys): number | null {
  const tokens = file.metadata.get('tokenizer.ggml.tokens');
  const embedding = file.tensors.find((tensor) => tensor.name === 'token_embd.weight');
  const listed = typeof tokens === 'object' ? tokens.length : null;
  return keys.number('vocab_size') ?? listed ?? embedding?.dimensions[1] ?? null;
}

/** The type the file says it has; without one, the type that holds the most bytes. */
function quantizationOf(file: GgufFile): string | null {
  const fileType = file.metadata.get('general.file_type');
  const named = typeof fileType === 'number' ? fileTypeName(fileType) : null;
  if (named !== null) return named;
  const bytes = new Map<string, number>();
  for (const tensor of file.tensors) {
    bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes);
  }
  const [largest] = [...bytes].sort((a, b) => b[1] - a[1]);
  return largest === undefined ? null : quantizationName(largest[0]);
}
