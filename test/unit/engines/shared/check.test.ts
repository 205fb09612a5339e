import { describe, expect, it } from 'vitest';
import type { Reason, Requirements, Verdict } from '../../../../src/engines/engine.ts';
import { checkEngine, type CheckRules } from '../../../../src/engines/shared/check.ts';
import { testMachine } from '../../../fixtures/machines/load.ts';
import { card, GIB, inputOf, machineWith } from './support.ts';

const REQUIREMENTS: Requirements = {
  platforms: ['linux'],
  architectures: ['x64'],
  devices: ['cpu', 'nvidia'],
  computeCapabilityMin: '8.0',
  nvidiaDriverMin: '550.10',
  isaX64: ['avx2', 'amx-bf16'],
  glibcMin: '2.40',
  pythonMin: '3.10',
};

const RULES: CheckRules = {
  traits: ['tools'],
  formats: [{ format: 'gguf', devices: ['cpu', 'nvidia'] }],
  requirements: REQUIREMENTS,
  fit: () => ({
    kvBytesPerElement: () => 2,
    kvCache: 'reserved',
    overheadBytes: () => 0,
    memoryShare: 1,
    slotsMax: 16,
    split: 'layers',
    canOffload: false,
  }),
};

const EASY: CheckRules = {
  ...RULES,
  requirements: {
    platforms: ['linux'],
    architectures: ['x64'],
    devices: ['cpu', 'nvidia'],
    pythonMin: '3.10',
  },
};

function codes(verdict: Verdict): readonly string[] {
  return verdict.isOk ? [] : verdict.reasons.map(({ code }) => code);
}

function only(verdict: Verdict): Reason {
  if (verdict.isOk) throw new Error('it was accepted');
  const [first] = verdict.reasons;
  if (first === undefined || verdict.reasons.length > 1) throw new Error(codes(verdict).join(' '));
  return first;
}

describe('checkEngine', () => {
  it('gives all reasons, not the first', () => {
    const machine = testMachine('recorded-epyc-2core');
    const input = inputOf(machine, 'dense-8b-bf16', {
      needs: ['lora'],
      contextTokens: 200_000,
    });
    expect(codes(checkEngine(RULES, input))).toEqual([
      'libc-too-old',
      'need-unsupported',
      'context-too-long',
      'isa-missing',
      'format-unsupported',
    ]);
  });

  it('sends Windows to WSL2', () => {
    const machine = testMachine('synthetic-windows-rtx-4070-laptop');
    const reason = only(checkEngine(EASY, inputOf(machine, 'dense-8b-gguf')));
    expect(reason.code).toBe('platform-unsupported');
    expect(reason.hint).toContain('wsl --install');
  });

  it('names the driver it needs and the one that is there', () => {
    const machine = testMachine('synthetic-old-driver-rtx-3060');
    const input = inputOf(machine, 'dense-8b-gguf', { device: 'gpu' });
    const verdict = checkEngine(
      { ...RULES, requirements: { ...REQUIREMENTS, glibcMin: '2.17' } },
      input,
    );
    const reason = only(verdict);
    expect(reason.because).toBe('needs NVIDIA driver 550.10, 470.256.02 is installed');
    expect(reason.hint).toBe('update the NVIDIA driver to 550.10 or newer');
  });

  it('believes that what nobody could find out is good enough', () => {
    const machine = testMachine('synthetic-all-unknown');
    expect(codes(checkEngine(RULES, inputOf(machine, 'demo-135m')))).toEqual([]);
  });

  it('takes the accelerator before the CPU', () => {
    const verdict = checkEngine(EASY, inputOf(testMachine('synthetic-rtx-4090'), 'dense-8b-gguf'));
    expect(verdict).toMatchObject({ isOk: true, device: 'nvidia', accelerators: [0] });
  });

  it('stays off the accelerator with `--device cpu`', () => {
    const input = inputOf(testMachine('synthetic-rtx-4090'), 'dense-8b-gguf', { device: 'cpu' });
    expect(checkEngine(EASY, input)).toMatchObject({ isOk: true, device: 'cpu', accelerators: [] });
  });

  it('says which card is left idle, and the way to change that', () => {
    const machine = testMachine('synthetic-old-driver-rtx-3060');
    const rules = { ...RULES, requirements: { ...REQUIREMENTS, glibcMin: '2.17', isaX64: [] } };
    const verdict = checkEngine(rules, inputOf(machine, 'dense-8b-gguf'));
    expect(verdict).toMatchObject({
      isOk: true,
      device: 'cpu',
      notes: [{ code: 'gpu-idle', hint: 'update the NVIDIA driver to 550.10 or newer' }],
    });
  });

  it('suggests no driver for a card that is too old for any', () => {
    const machine = testMachine('synthetic-kepler-gt-710');
    const rules = { ...RULES, requirements: { ...REQUIREMENTS, glibcMin: '2.17', isaX64: [] } };
    expect(checkEngine(rules, inputOf(machine, 'dense-8b-gguf'))).toMatchObject({
      notes: [{ code: 'gpu-idle', hint: null }],
    });
  });

  it('does not fall to the CPU in silence when the model is too large for the card', () => {
    const machine = machineWith(64 * GIB, { accelerators: [card()] });
    expect(only(checkEngine(EASY, inputOf(machine, 'dense-70b-gguf'))).code).toBe(
      'memory-insufficient',
    );
  });

  it('has one reason when a GPU is asked for and there is none', () => {
    const machine = testMachine('recorded-epyc-2core');
    expect(only(checkEngine(EASY, inputOf(machine, 'demo-135m', { device: 'gpu' })))).toMatchObject(
      {
        code: 'no-gpu',
        hint: 'leave `--device` out',
      },
    );
  });

  it('takes a smaller artifact when the first one does not fit', () => {
    const machine = machineWith(8 * GIB, { accelerators: [] });
    const rules: CheckRules = {
      ...EASY,
      formats: [
        { format: 'safetensors', devices: ['cpu'] },
        { format: 'gguf', devices: ['cpu'] },
      ],
    };
    const verdict = checkEngine(rules, inputOf(machine, 'dense-8b-both'));
    expect(verdict).toMatchObject({ isOk: true, artifact: { format: 'gguf' } });
  });

  it('refuses an embedding model for a chat, with the preset that suits it', () => {
    const input = inputOf(testMachine('recorded-epyc-2core'), 'embed-gguf');
    expect(only(checkEngine(EASY, input))).toMatchObject({
      code: 'task-mismatch',
      hint: 'use `--for embed`',
    });
  });
});
