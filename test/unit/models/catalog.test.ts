import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import {
  catalogEntries,
  fetchableArtifact,
  findInCatalog,
  hubDownloadCommand,
  REFERENCE_MODEL,
} from '../../../src/models/catalog.ts';
import { FAMILIES } from '../../../src/models/catalog-data.ts';
import { familyModel } from '../../../src/models/catalog-family.ts';
import { ggufModel } from '../../../src/models/gguf-model.ts';
import { readGguf } from '../../../src/models/gguf.ts';
import { WEIGHT_FORMATS } from '../../../src/models/model.ts';
import { parseReference } from '../../../src/models/reference.ts';
import { memorySource } from '../../fixtures/models/memory-source.ts';

const HEADER = new URL('../../fixtures/models/smollm2-135m-header.bin', import.meta.url);
/** What the full vocabulary adds to the header that is kept here. */
const LEFT_OUT_BYTES = 1_785_664 - 18_592;

describe('the demo model', () => {
  it('is described before its download exactly as its header describes it', async () => {
    const bytes = readFileSync(HEADER);
    const match = findInCatalog({ kind: 'short', name: 'smollm2', size: '135m', variant: null });
    if (match?.kind !== 'fetchable') throw new Error('not fetchable');
    const { fetchable, model } = match;
    const size = fetchable.bytesOnDisk - LEFT_OUT_BYTES;
    const header = await readGguf(memorySource(bytes, size), 'demo');
    const path = `/models/${fetchable.file}`;
    const read = ggufModel({ ...header, path, bytesOnDisk: fetchable.bytesOnDisk }, model.ref);
    const [artifact] = read.artifacts;
    expect({ ...model, artifacts: model.artifacts.slice(0, 1) }).toEqual({
      ...read,
      artifacts: [{ ...artifact, path: null, origin: 'catalog', sha256: fetchable.sha256 }],
    });
  });

  it('is fetched by an exact version with a hash, into a place of its own', () => {
    const fetchable = fetchableArtifact('smollm2:135m');
    expect(fetchable?.requirement).toMatch(/^[a-z0-9-]+==[\d.]+ --hash=sha256:[0-9a-f]{64}$/);
    expect(fetchable?.file).toMatch(/^models\/[\w.-]+\/[\w.-]+\.gguf$/);
    expect(fetchable?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(fetchableArtifact('qwen3:8b')).toBeNull();
  });
});

describe('families', () => {
  it.each(FAMILIES.map((family) => [family.ref, family] as const))(
    '%s parses as the catalog name that finds it',
    (ref, family) => {
      const reference = parseReference(ref);
      if (reference.kind !== 'short') throw new Error(`${ref} is ${reference.kind}`);
      expect(findInCatalog(reference)).toEqual({ kind: 'family', family });
    },
  );

  it.each(FAMILIES.map((family) => [family.ref, family] as const))(
    '%s splits its weights without rest and keeps them away from this machine',
    (_, family) => {
      const model = familyModel(family);
      for (const { weights, path, origin, bytesOnDisk } of model.artifacts) {
        expect({ path, origin, bytesOnDisk }).toEqual({
          path: null,
          origin: 'hub',
          bytesOnDisk: null,
        });
        const parts = (weights?.bytesDense ?? 0) + (weights?.bytesExperts ?? 0);
        expect(parts + (weights?.bytesEmbedding ?? 0)).toBe(weights?.bytesTotal);
        expect(weights?.bytesDense).toBeGreaterThan(0);
      }
    },
  );

  /** Feed-forward width of dense models: with it, shape and parameter count prove each other. */
  it.each([
    ['qwen3:0.6b', 3072],
    ['qwen3:4b', 9728],
    ['qwen3:8b', 12_288],
    ['qwen3:32b', 25_600],
    ['llama3.1:8b', 14_336],
    ['llama3.1:70b', 28_672],
    ['mistral-small:24b', 32_768],
  ])('%s has as many parameters as its shape makes', (ref, feedForward) => {
    const family = FAMILIES.find((candidate) => candidate.ref === ref);
    const [group] = family?.attention ?? [];
    if (family === undefined || group?.kind !== 'full') throw new Error(ref);
    const { hiddenSize: hidden, attentionHeads, vocabularySize } = family;
    const queries = attentionHeads * group.headDimKey;
    const attention = hidden * (2 * queries + 2 * group.kvHeads * group.headDimKey);
    const norms = 2 * hidden + (family.architecture === 'qwen3' ? 2 * group.headDimKey : 0);
    const layers = group.layers * (attention + 3 * hidden * feedForward + norms);
    const tables = vocabularySize * hidden * (family.isTied ? 1 : 2);
    expect(layers + tables + hidden).toBe(family.parameters);
  });

  it.each([
    ['qwen3:30b-a3b', 48 * 128 * 3 * 2048 * 768, 3.4],
    ['gpt-oss:20b', 24 * 32 * (3 * 2880 ** 2 + 3 * 2880), 4.2],
    ['gpt-oss:120b', 36 * 128 * (3 * 2880 ** 2 + 3 * 2880), 5.7],
    ['deepseek-v3', 58 * 256 * 3 * 7168 * 2048, 37.6],
  ])('%s has its experts counted by their shape, and the active rest', (ref, experts, active) => {
    const family = FAMILIES.find((candidate) => candidate.ref === ref);
    if (family === undefined) throw new Error(ref);
    expect(family.parametersExperts).toBe(experts);
    expect((familyModel(family).parametersActive ?? 0) / 1e9).toBeCloseTo(active, 1);
  });

  /** All that is not a routed expert, layer by layer: the remaining numbers of each config. */
  it.each([
    ['qwen3:30b-a3b', qwen3MixtureRest()],
    ['gpt-oss:20b', gptOssRest(24, 32)],
    ['gpt-oss:120b', gptOssRest(36, 128)],
    ['deepseek-v3', deepSeekRest()],
    ['gemma3:27b', gemma3Parameters()],
    [
      'bge-small-en-v1.5',
      bertParameters({ words: 30_522, hidden: 384, layers: 12, positions: 512, kinds: 2 }) +
        385 * 384,
    ],
    [
      'bge-reranker-v2-m3',
      bertParameters({ words: 250_002, hidden: 1024, layers: 24, positions: 8194, kinds: 1 }) +
        1025 * 1024 +
        1025,
    ],
  ])('%s has as many other parameters as its shape makes', (ref, rest) => {
    const family = FAMILIES.find((candidate) => candidate.ref === ref);
    expect((family?.parameters ?? 0) - (family?.parametersExperts ?? 0)).toBe(rest);
  });

  /** Sizes of published files as their pages give them, within 2 %: the bits per weight are right. */
  it.each([
    ['qwen3:8b', 'Q4_K_M', 5.03e9],
    ['llama3.1:8b', 'Q4_K_M', 4.92e9],
    ['llama3.1:70b', 'Q4_K_M', 42.5e9],
    ['gpt-oss:20b', 'mxfp4', 13.8e9],
    ['gpt-oss:20b', 'MXFP4', 12.1e9],
  ])('%s in %s has the size of the published files', (ref, quantization, bytes) => {
    const family = FAMILIES.find((candidate) => candidate.ref === ref);
    if (family === undefined) throw new Error(ref);
    const artifact = familyModel(family).artifacts.find((a) => a.quantization === quantization);
    expect(Math.abs((artifact?.weights?.bytesTotal ?? 0) / bytes - 1)).toBeLessThan(0.02);
  });
});

describe('hubDownloadCommand', () => {
  it('names the repository, and of a GGUF repository the one quantization', () => {
    const match = findInCatalog({ kind: 'short', name: 'qwen3', size: '8b', variant: null });
    if (match?.kind !== 'family') throw new Error('no family');
    const commands = familyModel(match.family).artifacts.map((artifact) =>
      hubDownloadCommand('qwen3:8b:Q4_K_M', artifact),
    );
    expect(commands).toContain('hf download Qwen/Qwen3-8B-GGUF --include "*Q4_K_M*"');
    expect(commands).toContain('hf download Qwen/Qwen3-8B-AWQ');
    expect(commands).not.toContain(null);
  });

  it('says null for what is no name of a family', () => {
    const [artifact] = REFERENCE_MODEL.artifacts;
    if (artifact === undefined) throw new Error('no artifact');
    expect(hubDownloadCommand('smollm2:135m', artifact)).toBeNull();
    expect(hubDownloadCommand('qwen3:8bit', artifact)).toBeNull();
  });
});

describe('catalogEntries', () => {
  it('lists each name once, the demo model alone as fetchable', () => {
    const refs = catalogEntries().map((entry) => entry.ref);
    expect(new Set(refs).size).toBe(refs.length);
    expect(catalogEntries().filter((entry) => entry.isFetchable)).toEqual([
      expect.objectContaining({ ref: 'smollm2:135m', bytesDownload: 92_871_040 }),
    ]);
  });

  it('finds a name without regard to case, and without a size where there is only one', () => {
    const find = (name: string, size: string | null): string | undefined => {
      const match = findInCatalog({ kind: 'short', name, size, variant: null });
      return match?.kind === 'family' ? match.family.ref : match?.fetchable.ref;
    };
    expect(find('SmolLM2', '135M')).toBe('smollm2:135m');
    expect(find('smollm2', null)).toBe('smollm2:135m');
    expect(find('gemma3', null)).toBe('gemma3:27b');
    expect(find('qwen3', null)).toBeUndefined();
    expect(find('qwen3', '9b')).toBeUndefined();
  });

  it('offers a reference model in every format, under a name that is no model', () => {
    const formats = REFERENCE_MODEL.artifacts.map((artifact) => artifact.format);
    expect(formats.toSorted()).toEqual([...WEIGHT_FORMATS].toSorted());
    expect(REFERENCE_MODEL.name).toContain('reference');
    expect(catalogEntries().map((entry) => entry.ref)).not.toContain(REFERENCE_MODEL.ref);
  });
});

function qwen3MixtureRest(): number {
  const hidden = 2048;
  const attention = 2 * hidden * 32 * 128 + 2 * hidden * 4 * 128 + 2 * 128;
  const router = hidden * 128;
  return 48 * (attention + router + 2 * hidden) + hidden + 2 * 151_936 * hidden;
}

/** Attention with biases and one sink a head; a router with biases. */
function gptOssRest(layers: number, experts: number): number {
  const hidden = 2880;
  const [queries, keys] = [64 * 64, 8 * 64];
  const attention = (hidden + 1) * (queries + 2 * keys) + (queries + 1) * hidden + 64;
  const router = (hidden + 1) * experts;
  return layers * (attention + router + 2 * hidden) + hidden + 2 * 201_088 * hidden;
}

/** Compressed queries and keys; three dense layers, one shared expert in the others. */
function deepSeekRest(): number {
  const [hidden, heads] = [7168, 128];
  const queries = hidden * 1536 + 1536 + 1536 * heads * (128 + 64);
  const keys = hidden * (512 + 64) + 512 + 512 * heads * (128 + 128);
  const attention = queries + keys + heads * 128 * hidden;
  const dense = 3 * 3 * hidden * 18_432;
  const shared = 58 * (3 * hidden * 2048 + (hidden + 1) * 256);
  return 61 * (attention + 2 * hidden) + dense + shared + hidden + 2 * 129_280 * hidden;
}

/** The language model, the vision tower (27 layers of 1152) and the projection between them. */
function gemma3Parameters(): number {
  const [hidden, vision] = [5376, 1152];
  const layer = 2 * hidden * 32 * 128 + 2 * hidden * 16 * 128 + 3 * hidden * 21_504;
  const text = 62 * (layer + 4 * hidden + 2 * 128) + hidden + 262_208 * hidden;
  const attention = 4 * (vision + 1) * vision + 4 * vision;
  const tower = 27 * (attention + 2 * vision * 4304 + 4304 + vision);
  const patches = 4096 * vision + 3 * 14 * 14 * vision + vision + 2 * vision;
  return text + tower + patches + vision * hidden + vision;
}

interface BertShape {
  readonly words: number;
  readonly hidden: number;
  readonly layers: number;
  readonly positions: number;
  readonly kinds: number;
}

/** Without pooler or head; the feed-forward part is four times as wide. */
function bertParameters({ words, hidden, layers, positions, kinds }: BertShape): number {
  const attention = 4 * (hidden + 1) * hidden;
  const feedForward = (hidden + 1) * 4 * hidden + (4 * hidden + 1) * hidden;
  return (words + positions + kinds + 2) * hidden + layers * (attention + feedForward + 4 * hidden);
}
