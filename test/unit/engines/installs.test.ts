/** What `engines install` says where it installs nothing, on machines nobody has here. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../../src/base/errors.ts';
import { engineFindings } from '../../../src/commands/doctor-engines.ts';
import { refuseInstall } from '../../../src/commands/engines-install.ts';
import { recipeForMachine } from '../../../src/engines/shared/recipes.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { testContext } from '../../integration/context.ts';
import { temporaryHome } from '../../support/home.ts';
import { engineOf } from './gpu-cases.ts';

function refusal(id: string, machine: string): Pick<HyperLlamaError, 'code' | 'message' | 'hint'> {
  try {
    return refuseInstall(engineOf(id), testMachine(machine));
  } catch (error) {
    if (!(error instanceof HyperLlamaError)) throw error;
    const { code, message, hint } = error;
    return { code, message, hint };
  }
}

describe('an engine that cannot run there', () => {
  it.each([
    ['sglang', 'recorded-epyc-2core', 'computes on NVIDIA GPUs, AMD GPUs, not on the CPU'],
    ['sglang', 'synthetic-pascal-gtx-1080', 'needs compute capability 8.0'],
    ['sglang', 'synthetic-driver-550-a100', 'needs NVIDIA driver 580.65'],
    ['sglang', 'synthetic-apple-m3-max-64gb', 'runs on Linux, this is macOS'],
    ['exllamav3', 'synthetic-mi300x', 'computes on NVIDIA GPUs, not on'],
  ])('is refused for what its requirements say: %s on %s', (id, machine, because) => {
    const { code, message } = refusal(id, machine);
    expect(code).toBe('HL_ENGINE_UNUSABLE');
    expect(message).toContain(because);
    expect(recipeForMachine(engineOf(id), testMachine(machine))?.when.devices).not.toEqual(['cpu']);
  });

  it('has a hint, also where nothing mends it', () => {
    expect(refusal('sglang', 'recorded-epyc-2core').hint).toBe(
      '`hyperllama engines` shows which engines can run here',
    );
    expect(refusal('sglang', 'synthetic-driver-550-a100').hint).toContain(
      'update the NVIDIA driver',
    );
  });
});

describe('an engine without a build of ours', () => {
  it('TabbyAPI is named with its licence, its commit and the commands', () => {
    const { code, message, hint } = refusal('exllamav3', 'synthetic-rtx-4090');
    expect(code).toBe('HL_ENGINE_INSTALL_FAILED');
    expect(message).toContain('run from its source (AGPL-3.0)');
    expect(hint).toContain('git checkout e632af41eba6 &&');
    expect(refusal('exllamav2', 'synthetic-rtx-4090').hint).toContain('git checkout 79126f904c2e');
  });

  it("TensorRT-LLM's placeholder is called one, with the index it names when it fails", () => {
    const recorded = readFileSync(
      new URL('../../fixtures/engines/tensorrt-llm/install.txt', import.meta.url),
      'utf8',
    );
    const [index] = /https:\/\/[\w.]+/.exec(recorded) ?? [];
    const { message, hint } = refusal('tensorrt-llm', 'synthetic-h200');
    expect(message).toContain(
      `a placeholder that fetches the real package from NVIDIA's own index`,
    );
    expect(message).toContain(String(index));
    expect(hint).toContain(`--extra-index-url ${index} tensorrt-llm==1.2.1`);
  });

  it('a card it can drive is never left idle for a build for the CPU', () => {
    const vllm = engineOf('vllm');
    expect(recipeForMachine(vllm, testMachine('synthetic-mi300x'))).toBeNull();
    expect(refusal('vllm', 'synthetic-mi300x').message).toContain('its builds for ROCm');
    expect(refusal('vllm', 'synthetic-apple-m3-max-64gb').message).toContain('`vllm-metal`');
    expect(recipeForMachine(vllm, testMachine('synthetic-h200'))?.id).toBe('cuda');
    expect(recipeForMachine(vllm, testMachine('recorded-epyc-2core'))?.id).toBe('cpu');
  });
});

describe('doctor', () => {
  it('names the way to a build that no lock has', async () => {
    using home = temporaryHome();
    const engines = [engineOf('exllamav3'), engineOf('tensorrt-llm')];
    const machine = testMachine('synthetic-rtx-4090');
    const found = await engineFindings(engines, machine, await testContext(home.path));
    expect(found.map(({ code, hint }) => [code, hint?.split(' ')[0]])).toEqual([
      ['exllamav3', '`git'],
      ['tensorrt-llm', 'where'],
    ]);
  });
});
