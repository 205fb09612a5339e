/**
 * The table of request fields in `docs/engines.md`, cell by cell, against the real engines: what
 * each file in `src/engines/` says is what its server does. llama.cpp always; the slow ones when
 * `HYPERLLAMA_TEST_LIVE` names them (`all`, or ids with commas).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINES } from '../../src/engines/all.gen.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { EMPTY_REQUEST, type FeatureSupport } from '../../src/engines/request.ts';
import { start } from '../../src/pipeline.ts';
import { makeWorkload } from '../../src/workloads/presets.ts';
import { testContext } from '../integration/context.ts';
import { probeFeatures } from './feature-probe.ts';
import { INSTALL_DEADLINE_MS, liveHome, MODEL } from './home.ts';
import { isAsked } from './slow-engine.ts';
import type { LiveHome } from './home.ts';

const isWanted = ({ id, isEmbedded }: Engine): boolean => isEmbedded === true || isAsked(id);
/** Those with a build for this kind of machine. */
const RUNNABLE = ENGINES.filter(({ environments }) =>
  environments.some(({ when }) => when.devices.includes('cpu')),
);
/** Twenty-odd short answers of an engine that may write two tokens a second. */
const PROBE_MS = 1_800_000;

let shared: LiveHome;
beforeAll(async () => {
  shared = await liveHome();
}, INSTALL_DEADLINE_MS);
afterAll(() => shared[Symbol.dispose]());

describe.each(RUNNABLE.map((engine) => [engine.name, engine] as const))('%s', (_, engine) => {
  it.runIf(isWanted(engine))(
    'does with each field of a request what its table says (needs HYPERLLAMA_TEST_LIVE unless embedded)',
    async () => {
      const context = await testContext(shared.path, { answer: true });
      // Two at once: llama.cpp gives as many answers to one prompt as it has slots.
      const workload = makeWorkload('chat', { concurrency: 2, contextTokens: 1024 });
      const wanted = { model: MODEL, workload, engineId: engine.id, isToRun: true, machine: null };
      const limits = { keepAliveMs: 0, startDeadlineMs: null };
      const { session, choice } = await start(wanted, limits, context);
      await using held = session;
      const { body } = engine.adaptRequest({ ...EMPTY_REQUEST, messages: [] }, choice.plan);
      const found = await probeFeatures(held.facts.address, body['model']);
      const { tools: _tools, ...said } = engine.features;
      expect(found).toEqual(mapValues(said, ownDoing));
    },
    PROBE_MS,
  );
});

/** What is left to our own layer the engine itself does not do as asked. */
function ownDoing(support: FeatureSupport): FeatureSupport {
  return support === 'enforced' ? 'ignored' : support;
}

function mapValues<T extends object, U>(
  record: T,
  change: (value: T[keyof T]) => U,
): Record<keyof T, U> {
  const entries = Object.entries(record).map(([name, value]) => [name, change(value)]);
  return Object.fromEntries(entries) as Record<keyof T, U>;
}
