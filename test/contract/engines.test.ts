/** The contract, for every engine there is, with the limits of what could be recorded as data. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { enginesSource, engineIds } from '../../scripts/gen-engines.ts';
import { ENGINES } from '../../src/engines/all.gen.ts';
import { engine as fakeEngine } from '../fixtures/fake-engine/engine.ts';
import { engine as customEngine } from '../fixtures/custom-engine/engine.ts';
import { engineContract, type ContractOptions } from './engine-contract.ts';

const ALL_RECORDINGS = ['flags', 'log', 'metrics', 'wire'] as const;
/** Flags can be read in a parser's source. */
const BEYOND_FLAGS = ['log', 'metrics', 'wire'] as const;

const GPU_ONLY = 'needs an NVIDIA card, and none was there to record it on';

const LIMITS: Readonly<Record<string, ContractOptions['skip']>> = {
  dynamo: [{ case: 'log', reason: 'its frontend logs neither phases nor a ready line' }],
  exllamav2: BEYOND_FLAGS.map((name) => gpuOnly(name)),
  exllamav3: BEYOND_FLAGS.map((name) => gpuOnly(name)),
  'llama-cpp': [],
  max: [],
  mlx: [{ case: 'metrics', reason: 'its server has no metrics page' }],
  sglang: [gpuOnly('metrics'), gpuOnly('wire')],
  'tensorrt-llm': BEYOND_FLAGS.map((name) => gpuOnly(name)),
  vllm: [],
};

function gpuOnly(name: (typeof ALL_RECORDINGS)[number]): ContractOptions['skip'][number] {
  return { case: name, reason: GPU_ONLY };
}

for (const engine of ENGINES) {
  const folder = new URL(`../fixtures/engines/${engine.id}/`, import.meta.url);
  engineContract(engine, folder, { skip: LIMITS[engine.id] ?? [] });
}

// Tests rely on the fake one to behave like any other.
engineContract(fakeEngine, new URL('../fixtures/fake-engine/', import.meta.url), {
  folderName: 'fake-engine',
  skip: ALL_RECORDINGS.map((name) => ({
    case: name,
    reason: 'it is no recording, it is the source',
  })),
});

// One from the configuration does as well.
engineContract(customEngine, new URL('../fixtures/custom-engine/', import.meta.url), {
  folderName: 'custom-engine',
  skip: ALL_RECORDINGS.map((name) => ({ case: name, reason: 'it is whatever the user names' })),
});

describe('the list of engines', () => {
  it('is the one `npm run gen` would write', () => {
    const file = new URL('../../src/engines/all.gen.ts', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(enginesSource(engineIds()));
  });

  it('holds each id once, and the limits name no other', () => {
    const ids = ENGINES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(LIMITS).sort()).toEqual([...ids].sort());
  });

  it('has a folder of recordings for each engine and no other', () => {
    const folder = new URL('../fixtures/engines/', import.meta.url);
    const folders = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(folders.sort()).toEqual(ENGINES.map(({ id }) => id).sort());
  });
});
