import { describe, expect, it } from 'vitest';
import { flag, positional, toggle } from '../../../../src/engines/shared/args.ts';
import { chatRequest } from '../../../../src/engines/shared/chat.ts';
import { commandLine } from '../../../../src/engines/shared/command-line.ts';
import { acceleratorTargets, cardBytesFree } from '../../../../src/engines/shared/devices.ts';
import { features } from '../../../../src/engines/shared/features.ts';
import { readByRules } from '../../../../src/engines/shared/log-rules.ts';
import { pickMetrics, ratioOf, readSamples } from '../../../../src/engines/shared/metrics.ts';
import { compareVersions } from '../../../../src/engines/shared/versions.ts';
import { EMPTY_REQUEST } from '../../../../src/engines/request.ts';
import type { EnginePlan } from '../../../../src/engines/engine.ts';
import { testMachine } from '../../../fixtures/machines/load.ts';
import { card, GIB, machineWith } from './support.ts';

describe('compareVersions', () => {
  it('compares by number, not by letter', () => {
    expect(compareVersions('550.9', '550.10')).toBeLessThan(0);
    expect(compareVersions('2.36', '2.4')).toBeGreaterThan(0);
  });

  it('takes missing parts as zero and skips what is no digit', () => {
    expect(compareVersions('v9.0', '9')).toBe(0);
    expect(compareVersions('0.32.0+cpu', '0.32')).toBe(0);
  });
});

describe('acceleratorTargets', () => {
  it('leaves out a display adapter, and keeps an integrated GPU with bandwidth of its own', () => {
    expect(acceleratorTargets(testMachine('synthetic-laptop-avx2-8gb'))).toEqual([]);
    expect(acceleratorTargets(testMachine('synthetic-strix-halo'))).toHaveLength(1);
  });

  it('puts the vendor with most memory first', () => {
    const amd = card({ vendor: 'amd', memoryBytesTotal: 48 * GIB });
    const machine = machineWith(64 * GIB, { accelerators: [card(), amd] });
    expect(acceleratorTargets(machine).map(({ device }) => device)).toEqual(['amd', 'nvidia']);
  });
});

describe('cardBytesFree', () => {
  it('gives Metal two thirds of a small unified memory and three quarters of a large one', () => {
    const [small] = testMachine('synthetic-apple-m2-16gb').accelerators;
    const [large] = testMachine('synthetic-apple-m3-max-64gb').accelerators;
    const free = machineWith(500 * GIB);
    expect(small === undefined ? null : cardBytesFree(free, small)).toBe(
      Math.floor((16 * GIB * 2) / 3),
    );
    expect(large === undefined ? null : cardBytesFree(free, large)).toBe(48 * GIB);
  });

  it('is no more than the machine has free when the memory is shared', () => {
    const [gpu] = testMachine('synthetic-strix-halo').accelerators;
    expect(gpu === undefined ? null : cardBytesFree(machineWith(20 * GIB), gpu)).toBe(20 * GIB);
  });
});

describe('readByRules', () => {
  const rules = [
    { pattern: /noise/, isNoise: true },
    { pattern: /loaded (\d+)\/(\d+)/, progress: 'loading', hasFraction: true },
    { pattern: /(\d+)%/, progress: 'loading', hasFraction: true },
    { pattern: /^done/, isReady: true },
    { pattern: /error: (.*)/, code: 'HL_ENGINE_EXITED' },
  ] as const;

  it('reads a fraction from two numbers or a percentage', () => {
    expect(readByRules(rules, 'loaded 3/4')).toMatchObject({ fraction: 0.75 });
    expect(readByRules(rules, 'at 25%')).toMatchObject({ fraction: 0.25 });
    expect(readByRules(rules, 'loaded 3/0')).toMatchObject({ fraction: null });
  });

  it('looks through colours, and takes the first rule that matches', () => {
    expect(readByRules(rules, '\u001B[32mdone\u001B[0m')).toEqual({ kind: 'ready' });
    expect(readByRules(rules, 'noise, error: no')).toBeNull();
  });
});

describe('readSamples', () => {
  it('sums the samples of a name over their labels and leaves out what is no number', () => {
    const samples = readSamples('# HELP a\na{x="1"} 2\na{x="2"} 3\nb NaN\nc 1e3\n');
    expect([...samples]).toEqual([
      ['a', 5],
      ['c', 1000],
    ]);
  });

  it('picks the first name the page has', () => {
    const metrics = pickMetrics('new 4\nold 5\n', { requestsRunning: ['newest', 'new', 'old'] });
    expect(metrics.requestsRunning).toBe(4);
    expect(metrics.requestsWaiting).toBeNull();
  });

  it('has no ratio before anything was asked', () => {
    expect([ratioOf(0, 0), ratioOf(1, 4), ratioOf(undefined, 4)]).toEqual([null, 0.25, null]);
  });
});

describe('chatRequest', () => {
  const artifact = {
    format: 'gguf',
    quantization: null,
    path: null,
    origin: 'catalog',
    bytesOnDisk: null,
    weights: null,
    sha256: null,
  } as const;
  const plan = { model: { ref: 'tiny', name: 'Tiny', artifact } };
  const request = {
    ...EMPTY_REQUEST,
    messages: [{ role: 'user', content: 'hi' }],
    seed: 1,
    ignoreEos: true,
    schema: { type: 'object' },
  } as const;

  it('leaves out what is ignored or refused, with a warning each', () => {
    const rules = {
      engineName: 'X',
      features: features({ seed: 'ignored', json_schema: 'refused' }),
    };
    expect(chatRequest(rules, request, plan)).toEqual({
      path: '/v1/chat/completions',
      body: {
        model: 'Tiny',
        messages: [{ role: 'user', content: 'hi' }],
        stream: true,
        stream_options: { include_usage: true },
        ignore_eos: true,
      },
      warnings: [
        { feature: 'seed', message: 'X ignores `seed`, so it was left out' },
        {
          feature: 'json_schema',
          message: 'X answers `json_schema` with an error, so it was left out',
        },
      ],
    });
  });

  it('sends a schema in OpenAI’s form, and fields of the engine’s own', () => {
    const { body } = chatRequest(
      { engineName: 'X', features: features({}), fields: () => ({ cache_prompt: false }) },
      request,
      plan,
    );
    expect(body['cache_prompt']).toBe(false);
    expect(body['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'answer', strict: true, schema: { type: 'object' } },
    });
  });
});

describe('commandLine', () => {
  const why = { because: 'test' };
  const plan = {
    executable: null,
    args: [
      positional('/models/my model', why),
      flag('--port', '{port}', why),
      toggle('--quiet', why),
    ],
  } as unknown as EnginePlan; // The two fields it reads.

  it('quotes what a shell would split and leaves placeholders', () => {
    expect(commandLine({ id: 'x', command: 'x serve' }, plan)).toBe(
      "x serve '/models/my model' --port {port} --quiet",
    );
  });

  it('names a program that is not ours by its path', () => {
    expect(commandLine({ id: 'x' }, { ...plan, executable: '/opt/x', args: [] })).toBe('/opt/x');
  });
});
