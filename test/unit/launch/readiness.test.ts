/** A first token: how long it may take is for the caller to say. */
import { afterEach, expect, it, vi } from 'vitest';
import { generateOneToken } from '../../../src/launch/readiness.ts';
import { fakeEngine } from '../../fixtures/fake-engine/engine.ts';
import { startPageServer } from '../../support/attached-server.ts';
import { testPlan } from '../generate/session.ts';

/** Longer than any engine seen, shorter than what `--timeout` may allow. */
const SLOW_MS = 1_700_000;

const TOKEN = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n';

afterEach(() => vi.useRealTimers());

it('waits for a first token as long as its caller does', async () => {
  // The clock by which silence is measured; the connection itself goes on in real time.
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
  await using server = await startPageServer((_, response) => {
    vi.advanceTimersByTime(SLOW_MS);
    response.end(TOKEN);
  });
  const { signal } = new AbortController();
  const address = { kind: 'tcp', host: '127.0.0.1', port: server.port } as const;
  const proof = { engine: fakeEngine('tcp'), plan: testPlan(), address, signal };
  await expect(generateOneToken(proof)).resolves.toBeUndefined();
  await expect(generateOneToken({ ...proof, silenceDeadlineMs: SLOW_MS / 2 })).rejects.toThrow(
    'no byte for',
  );
});
