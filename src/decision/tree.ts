/**
 * The decision tree, as a table: a situation, and the traits preferred in it. First match wins;
 * every case matches one row. Names traits, never engines. `docs/decision-tree.md` explains it.
 */
import type { Trait } from '../engines/engine.ts';
import { OFFLOAD_CODE } from '../engines/shared/fit.ts';
import { hasFormat, type Candidate, type Situation } from './situation.ts';

export interface Preference {
  readonly trait: Trait;
  /** Further condition on the candidate itself. */
  readonly only?: (candidate: Candidate) => boolean;
}

export interface TreeRow {
  /** `5a`: stable, part of the golden table. */
  readonly id: string;
  /** The situation in a few words; the number of users is added. */
  readonly title: string;
  readonly matches: (situation: Situation) => boolean;
  /** Best first. Candidates that have none of them come last, in the order of `LAST`. */
  readonly prefers: readonly Preference[];
  /** Traits of engines worth measuring beside the chosen one. */
  readonly candidates?: readonly Trait[];
}

const isVendor = (s: Situation, vendor: string): boolean => s.target?.device === vendor;
const cards = (s: Situation): number => s.target?.cards.length ?? 0;
const isSmallNvidia = (s: Situation): boolean => isVendor(s, 'nvidia') && !s.isBig;
const isSmallOther = (s: Situation): boolean =>
  (isVendor(s, 'amd') || isVendor(s, 'intel')) && !s.isBig;
const isLatentAttention = (s: Situation): boolean =>
  s.model.attention?.some((group) => group.kind === 'mla') ?? false;

const onCards = ({ verdict }: Candidate): boolean =>
  verdict.device !== 'cpu' && !verdict.notes.some((note) => note.code === OFFLOAD_CODE);
const isSafetensors = ({ verdict }: Candidate): boolean =>
  verdict.artifact.format === 'safetensors';

/** Up to this many users an engine made for one stream is ahead of one made for many. */
const FEW_USERS_MAX = 2;
const FEW_USERS_MAX_APPLE = 3;
const FEW_USERS_MAX_CPU = 4;
const MANY_USERS_MIN = 8;
const SHARED_PREFIX_MIN = 0.5;

export const TREE: readonly TreeRow[] = [
  {
    id: '1a',
    title: 'several machines, one engine spans them',
    matches: (s) =>
      s.machine.nodes > 1 && s.candidates.some(({ engine }) => engine.traits[0] === 'multi-node'),
    prefers: [{ trait: 'multi-node' }],
  },
  {
    id: '1b',
    title: 'several machines, one engine on each behind a router',
    matches: (s) => s.machine.nodes > 1,
    prefers: [
      { trait: 'continuous-batching', only: onCards },
      { trait: 'gguf' },
      { trait: 'continuous-batching' },
    ],
  },
  {
    id: 'E1',
    title: 'embeddings or reranking, GGUF',
    matches: (s) => isEncoding(s) && hasFormat(s, ['gguf']) && !hasSafetensorsOnCards(s),
    prefers: [{ trait: 'gguf' }],
  },
  {
    id: 'E2',
    title: 'embeddings or reranking, safetensors',
    matches: isEncoding,
    prefers: [{ trait: 'continuous-batching', only: onCards }, { trait: 'continuous-batching' }],
  },
  {
    id: '9',
    title: 'must run unchanged on any vendor',
    matches: (s) =>
      s.workload.portability === 'any-vendor' &&
      s.candidates.some(({ engine }) => engine.traits[0] === 'portable'),
    prefers: [{ trait: 'portable' }],
  },
  {
    id: '2a',
    title: 'Apple Silicon, few at once',
    matches: (s) => isVendor(s, 'apple') && s.users <= FEW_USERS_MAX_APPLE,
    prefers: [{ trait: 'unified-memory' }, { trait: 'gguf' }],
    candidates: ['continuous-batching'],
  },
  {
    id: '2b',
    title: 'Apple Silicon, many at once',
    matches: (s) => isVendor(s, 'apple'),
    prefers: [{ trait: 'gguf' }, { trait: 'unified-memory' }],
    candidates: ['continuous-batching'],
  },
  {
    id: '3',
    title: "larger than the GPU's memory",
    matches: (s) => s.isLargerThanCards,
    prefers: [{ trait: 'offload' }],
  },
  {
    id: '4a',
    title: 'CPU only, GGUF',
    matches: (s) =>
      s.target === null &&
      hasFormat(s, ['gguf']) &&
      (s.users <= FEW_USERS_MAX_CPU || s.workload.name === 'edge'),
    prefers: [{ trait: 'gguf' }],
  },
  {
    id: '4b',
    title: 'CPU with bfloat16 arithmetic, safetensors',
    matches: (s) =>
      s.target === null &&
      s.hasMatrixUnit &&
      hasFormat(s, ['safetensors']) &&
      (s.users >= MANY_USERS_MIN || s.isPrefillBound),
    prefers: [{ trait: 'continuous-batching', only: isSafetensors }],
    candidates: ['gguf', 'portable'],
  },
  {
    id: '4c',
    title: 'CPU only',
    matches: (s) => s.target === null,
    prefers: [{ trait: 'gguf' }, { trait: 'continuous-batching' }],
    candidates: ['portable'],
  },
  {
    id: '5a',
    title: 'one consumer NVIDIA card, few at once',
    matches: (s) => isSmallNvidia(s) && cards(s) === 1 && s.users <= FEW_USERS_MAX,
    prefers: [{ trait: 'exl-weights' }, { trait: 'gguf', only: onCards }],
  },
  {
    id: '5b',
    title: 'one consumer NVIDIA card, many at once',
    matches: (s) => isSmallNvidia(s) && cards(s) === 1,
    prefers: [{ trait: 'continuous-batching', only: onCards }, { trait: 'gguf' }],
  },
  {
    id: '6a',
    title: 'several consumer NVIDIA cards, EXL weights, few at once',
    matches: (s) => isSmallNvidia(s) && s.users <= FEW_USERS_MAX && hasFormat(s, ['exl3', 'exl2']),
    prefers: [{ trait: 'exl-weights' }],
  },
  {
    id: '6b',
    title: 'several consumer NVIDIA cards',
    matches: isSmallNvidia,
    prefers: [{ trait: 'continuous-batching', only: onCards }, { trait: 'gguf' }],
  },
  {
    id: '7a',
    title: 'consumer AMD or Intel GPU, few at once',
    matches: (s) => isSmallOther(s) && s.users <= FEW_USERS_MAX,
    prefers: [
      { trait: 'gguf', only: onCards },
      { trait: 'continuous-batching', only: onCards },
    ],
  },
  {
    id: '7b',
    title: 'consumer AMD or Intel GPU, many at once',
    matches: isSmallOther,
    prefers: [{ trait: 'continuous-batching', only: onCards }, { trait: 'gguf' }],
  },
  {
    id: '8a',
    title: 'data-centre cards, shared prompts or many experts',
    matches: (s) =>
      (s.workload.sharedPrefixShare >= SHARED_PREFIX_MIN && s.users >= MANY_USERS_MIN) ||
      (cards(s) >= 8 && (isLatentAttention(s) || s.model.experts !== null)),
    prefers: [{ trait: 'prefix-cache', only: onCards }],
  },
  {
    id: '8b',
    title: 'data-centre cards, one model for months',
    matches: (s) =>
      isVendor(s, 'nvidia') &&
      s.workload.stability === 'frozen' &&
      s.workload.goal === 'throughput',
    prefers: [{ trait: 'continuous-batching', only: onCards }],
    candidates: ['ahead-of-time'],
  },
  {
    id: '8c',
    title: 'data-centre cards',
    matches: () => true,
    prefers: [{ trait: 'continuous-batching', only: onCards }],
    candidates: ['portable'],
  },
];

/** What serves where nothing preferred can: the widest choice first. */
export const LAST: readonly Preference[] = [
  { trait: 'gguf' },
  { trait: 'continuous-batching' },
  { trait: 'exl-weights' },
  { trait: 'unified-memory' },
  { trait: 'portable' },
  { trait: 'ahead-of-time' },
  { trait: 'multi-node' },
];

function isEncoding(s: Situation): boolean {
  return s.workload.needs.includes('embeddings') || s.workload.needs.includes('rerank');
}

function hasSafetensorsOnCards(s: Situation): boolean {
  return s.candidates.some((candidate) => isSafetensors(candidate) && onCards(candidate));
}

export function treeRow(situation: Situation): TreeRow {
  const row = TREE.find((candidate) => candidate.matches(situation));
  // The last row matches everything.
  if (row === undefined) throw new Error('the tree has no row for this case');
  return row;
}

export function isPreferred(candidate: Candidate, { trait, only }: Preference): boolean {
  return candidate.engine.traits.includes(trait) && (only === undefined || only(candidate));
}
