/** An end nobody asked for: the engine's own words first, the kernel's second. */
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import type { Engine } from '../../../src/engines/engine.ts';
import type { ExitedEvent } from '../../../src/launch/guard-link.ts';
import { explainExit, failureIn } from '../../../src/launch/watch-start.ts';
import { engine as fake } from '../../fixtures/fake-engine/engine.ts';

const EXIT: ExitedEvent = {
  event: 'exited',
  code: 1,
  signal: null,
  isOom: false,
  isWanted: false,
  tail: [],
};
const CONTEXT = { engine: 'E', phase: 'load', path: '/m.gguf', contextTokens: 2048 };

function explained(exit: Partial<ExitedEvent>, engine: Engine = fake): readonly [string, string] {
  const end = { ...EXIT, ...exit };
  const error = explainExit(end, { ...CONTEXT, failed: failureIn(end, engine) });
  return [error.code, error.message];
}

describe('the end of an engine', () => {
  it.each([
    [{ code: 3 }, 'E ended in phase `load`: exit code 3'],
    [{ code: null, signal: 'SIGSEGV' }, 'E ended in phase `load`: killed by SIGSEGV'],
    [{ code: 0 }, 'E ended in phase `load`: exit code 0'],
    [{ code: null }, 'E ended in phase `load`: exit code unknown'],
  ])('%j is told as it was', (exit, message) => {
    expect(explained(exit)).toEqual(['HL_ENGINE_EXITED', message]);
  });

  it('by the kernel’s memory killer is no crash, whatever the log says', () => {
    const tail = ["E gguf_init: invalid magic characters in 'x'"];
    const [code, message] = explained({ code: null, signal: 'SIGKILL', isOom: true, tail });
    expect(code).toBe('HL_ENGINE_OUT_OF_MEMORY');
    expect(message).toContain('the memory limit was reached');
  });

  it('is what its log proves, rather than its exit code', () => {
    const tail = ['I loading', "E gguf_init: invalid magic characters in 'x'", 'E bye'];
    expect(explained({ tail })[0]).toBe('HL_MODEL_CORRUPT');
  });

  it('carries the last twenty lines of the log, oldest first', () => {
    const tail = Array.from({ length: 30 }, (_, n) => `line ${n}`);
    const error = explainExit({ ...EXIT, tail }, { ...CONTEXT, failed: null });
    expect(error.engineLog).toHaveLength(20);
    expect(error.engineLog[0]).toBe('line 10');
  });

  it('takes the telling line over a general one, in any order', () => {
    const llama = ENGINES.find(({ isDriven }) => isDriven);
    if (llama === undefined) throw new Error('no engine is driven');
    const memory = 'E ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory';
    const general = 'GGML_ASSERT(buffer) failed';
    expect(explained({ tail: [memory, general] }, llama)[0]).toBe('HL_ENGINE_OUT_OF_MEMORY');
    expect(explained({ tail: [general, memory] }, llama)[0]).toBe('HL_ENGINE_OUT_OF_MEMORY');
  });
});
