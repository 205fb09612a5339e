import { describe, expect, it } from 'vitest';
import { makeWorkload, PRESETS } from '../../../src/workloads/presets.ts';
import { WORKLOAD_NAMES } from '../../../src/workloads/workload.ts';

describe('makeWorkload', () => {
  it('is one chat for one user when nothing is said', () => {
    expect(makeWorkload()).toEqual({
      name: 'chat',
      concurrency: 1,
      promptTokens: 512,
      outputTokens: 256,
      sharedPrefixShare: 0.1,
      goal: 'latency',
      needs: [],
      stability: 'changing',
      portability: 'here',
      contextTokens: null,
      device: 'auto',
    });
  });

  it('has a preset for every name, with a request that fits the smallest useful context', () => {
    expect(Object.keys(PRESETS).sort()).toEqual([...WORKLOAD_NAMES].sort());
    const long = WORKLOAD_NAMES.filter((name) => {
      const { promptTokens, outputTokens } = makeWorkload(name);
      return promptTokens + outputTokens > 32_768;
    });
    expect(long).toEqual([]);
  });

  it('adds needs to those of the preset, each once', () => {
    const { needs } = makeWorkload('agent', { needs: ['structured-output', 'tools'] });
    expect(needs).toEqual(['tools', 'structured-output']);
  });

  it('keeps the value of the preset where an override is undefined', () => {
    expect(makeWorkload('batch', { concurrency: undefined }).concurrency).toBe(32);
  });

  it('cuts what makes no sense to what does', () => {
    const workload = makeWorkload('chat', { concurrency: 0.5, sharedPrefixShare: 3 });
    expect([workload.concurrency, workload.sharedPrefixShare]).toEqual([1, 1]);
  });
});
