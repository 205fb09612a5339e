import { describe, expect, it } from 'vitest';
import { formatReason, loadableArtifacts } from '../../../../src/engines/shared/artifacts.ts';
import type { ModelInfo } from '../../../../src/models/model.ts';
import { testModel } from '../../../fixtures/engines/models.ts';

const GGUF = [{ format: 'gguf', devices: ['cpu'] }] as const;

function quantizations(model: ModelInfo): readonly (string | null)[] {
  return loadableArtifacts(model, GGUF, 'cpu').map(({ quantization }) => quantization);
}

describe('loadableArtifacts', () => {
  const model = testModel('dense-8b-all');

  it('takes Q4_K_M before other quantizations', () => {
    const turned = { ...model, artifacts: [...model.artifacts].reverse() };
    expect(quantizations(turned)).toEqual(['Q4_K_M', 'Q8_0']);
  });

  it('takes what is on this machine before what is not', () => {
    const artifacts = model.artifacts.map((artifact) =>
      artifact.quantization === 'Q4_K_M' ? { ...artifact, path: null } : artifact,
    );
    expect(quantizations({ ...model, artifacts })).toEqual(['Q8_0', 'Q4_K_M']);
  });

  it('compares quantizations without regard to case, and lets unknown ones pass', () => {
    const formats = [{ format: 'gguf', devices: ['cpu'], quantizations: ['q8_0'] }] as const;
    const unknown = {
      ...model,
      artifacts: model.artifacts.map((a) => ({ ...a, quantization: null })),
    };
    expect(loadableArtifacts(model, formats, 'cpu')).toHaveLength(1);
    expect(loadableArtifacts(unknown, formats, 'cpu')).toHaveLength(2);
  });

  it('loads nothing on a device the format is not for', () => {
    expect(loadableArtifacts(model, GGUF, 'nvidia')).toEqual([]);
  });
});

describe('formatReason', () => {
  it('names what is loaded, what is there, and what to ask for', () => {
    expect(formatReason(testModel('dense-8b-bf16'), GGUF, 'cpu')).toEqual({
      code: 'format-unsupported',
      because: 'loads gguf on the CPU, dense-8b-bf16 is there as safetensors bf16',
      hint: 'name a version of the model in gguf',
    });
  });
});
