/** Answers: a session without an engine process: a guard's lines and an HTTP server of the test. */
import { createServer, type RequestListener } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Engine, LaunchPlan } from '../../../src/engines/engine.ts';
import { GuardLink } from '../../../src/launch/guard-link.ts';
import { Session } from '../../../src/launch/session.ts';
import { planLaunch } from '../../../src/plan/plan.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';
import { REFERENCE_MODEL } from '../../../src/models/catalog.ts';
import { fakeEngine } from '../../fixtures/fake-engine/engine.ts';
import { testMachine } from '../../fixtures/machines/load.ts';

export interface TestSession extends AsyncDisposable {
  readonly session: Session;
  /** What the guard says next. */
  readonly guard: (event: object) => void;
}

const FAKE = fakeEngine('tcp');

export function testPlan(): LaunchPlan {
  const machine = testMachine('recorded-epyc-2core');
  const workload = makeWorkload('chat', { contextTokens: 2048 });
  const input = { machine, model: REFERENCE_MODEL, workload, installation: null };
  const verdict = FAKE.check(input);
  if (!verdict.isOk) throw new Error('the fake engine takes every GGUF');
  return planLaunch(FAKE, input, verdict);
}

export async function testSession(
  handler: RequestListener,
  engine: Engine = FAKE,
): Promise<TestSession> {
  const server = createServer(handler);
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      resolve(bound !== null && typeof bound === 'object' ? bound.port : 0);
    });
  });
  const lines = new PassThrough();
  const session = new Session(
    {
      key: '0123abcd',
      engine,
      plan: testPlan(),
      address: { kind: 'tcp', host: '127.0.0.1', port },
      startMs: 0,
      loadMs: null,
      isAttached: false,
      logFile: '/dev/null',
    },
    new GuardLink(lines, new PassThrough()),
  );
  return {
    session,
    guard: (event) => void lines.write(`${JSON.stringify(event)}\n`),
    [Symbol.asyncDispose]: async () => {
      lines.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
