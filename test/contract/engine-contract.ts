/**
 * What every engine must keep, as one suite: `engineContract(engine)`. An engine's limits are data
 * (`skip`), each with its reason; the recordings lie in `test/fixtures/engines/<id>/`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { assert, property, string } from '../support/property.ts';
import { describe, expect, it } from 'vitest';
import type { Engine, EngineMetrics, LogReading } from '../../src/engines/engine.ts';
import { ENGINE_SPEC, TRAITS } from '../../src/engines/engine.ts';
import { readParts } from '../../src/engines/parts.ts';
import { EMPTY_REQUEST, REQUEST_FEATURES } from '../../src/engines/request.ts';
import type { GenerateRequest } from '../../src/engines/request.ts';
import { acceptedCases, ADAPTER_NAME, DRAFT_NAME, plansOf, refusedCases } from './cases.ts';
import { WITHOUT_HINT } from './without-hint.ts';

/** Cases that need a recording. */
export type ContractCase = keyof typeof RECORDINGS;

const RECORDINGS = {
  flags: 'flags.txt',
  log: 'log.json',
  metrics: 'metrics.txt',
  wire: 'chat-stream.sse',
} as const;

export interface ContractOptions {
  /** Where it is not the id. */
  readonly folderName?: string;
  readonly skip: readonly { readonly case: ContractCase; readonly reason: string }[];
}

const NO_METRICS: EngineMetrics = {
  requestsRunning: null,
  requestsWaiting: null,
  kvCacheUse: null,
  prefixCacheHitRatio: null,
  promptTokensTotal: null,
  outputTokensTotal: null,
};

const FULL_REQUEST: GenerateRequest = {
  ...EMPTY_REQUEST,
  messages: [{ role: 'user', content: 'What is the capital of Japan?' }],
  maxTokens: 32,
  temperature: 0,
  topP: 0.9,
  seed: 7,
  stop: ['\n\n'],
  schema: { type: 'object' },
  ignoreEos: true,
  promptCache: false,
};

/** Runs the suite for one engine; `folder` holds its recordings. */
export function engineContract(engine: Engine, folder: URL, options: ContractOptions): void {
  const file = (name: string): URL => new URL(name, folder);
  const recorded = (name: ContractCase): boolean =>
    !options.skip.some((entry) => entry.case === name);

  describe(`engine ${engine.id}`, () => {
    it('lacks only the recordings its limits name', () => {
      const missing = Object.entries(RECORDINGS)
        .filter(([, name]) => !existsSync(fileURLToPath(file(name))))
        .map(([name]) => name);
      expect(options.skip.map((entry) => entry.case).sort()).toEqual(missing.sort());
    });

    it('speaks this version of the interface and has a folder of its own name', () => {
      expect(engine.spec).toBe(ENGINE_SPEC);
      expect(engine.id).toMatch(/^[a-z0-9-]+$/);
      expect(existsSync(fileURLToPath(folder))).toBe(true);
      expect(basename(fileURLToPath(folder))).toBe(options.folderName ?? engine.id);
    });

    it('has known traits, each once', () => {
      expect(engine.traits.filter((trait) => !TRAITS.includes(trait))).toEqual([]);
      expect(new Set(engine.traits).size).toBe(engine.traits.length);
    });

    it('says of every request feature what it does with it', () => {
      expect(Object.keys(engine.features).sort()).toEqual([...REQUEST_FEATURES].sort());
    });

    it('can be installed exactly when it can be started', () => {
      // What the configuration names is installed by its user.
      const isInstallable = engine.environments.length > 0 || engine.custom !== undefined;
      expect(isInstallable).toBe(engine.isDriven);
    });

    it('refuses with a code, a fact, and a hint or a known reason for none', () => {
      const wrong = refusedCases(engine).flatMap(({ label, reasons }) => [
        ...(reasons.length === 0 ? [`${label}: no reason`] : []),
        ...reasons.filter((reason) => !isWellFormed(reason)).map((r) => `${label}: ${r.code}`),
      ]);
      expect([...new Set(wrong)]).toEqual([]);
    });

    it('accepts some of the test cases, with memory and context above zero', () => {
      const accepted = acceptedCases(engine);
      expect(accepted.length).toBeGreaterThan(0);
      const wrong = accepted.filter(
        ({ verdict }) =>
          verdict.contextTokens < 1 || verdict.slots < 1 || verdict.memory.weightsBytes < 1,
      );
      expect(wrong.map(({ label }) => label)).toEqual([]);
    });

    it('plans the same for the same input, and only what JSON can hold', () => {
      const wrong = plansOf(engine).filter(({ plan, again }) => {
        const text = JSON.stringify(plan);
        return JSON.stringify(again) !== text || !isDeepStrictEqual(JSON.parse(text), plan);
      });
      expect(wrong.map(({ label }) => label)).toEqual([]);
    });

    it('plans for itself, with a deadline and a signal', () => {
      const plans = plansOf(engine).map(({ plan }) => plan);
      expect([...new Set(plans.map((plan) => plan.engine.id))]).toEqual([engine.id]);
      const service = engine.custom === undefined ? engine.id : 'custom';
      expect([...new Set(plans.map((plan) => plan.service))]).toEqual([service]);
      expect(plans.filter((plan) => plan.readiness.deadlineMs <= 0)).toEqual([]);
      expect(plans.filter((plan) => plan.shutdown.graceMs <= 0)).toEqual([]);
    });

    it('explains every argument and gives none twice', () => {
      const wrong = plansOf(engine).flatMap(({ plan, label }) => {
        const flags = plan.args.map(({ flag }) => flag);
        const twice = flags.filter((flag, index) => flags.indexOf(flag) !== index);
        const unexplained = plan.args.filter(({ because }) => because.trim() === '');
        return [...twice, ...unexplained.map(({ flag }) => flag)].map(
          (flag) => `${label}: ${flag}`,
        );
      });
      expect(wrong).toEqual([]);
    });

    it('is told of a draft model and an adapter, or refuses them', () => {
      const wrong = acceptedCases(engine).flatMap(({ label, input, verdict }) => {
        const { draft, adapter } = input.model;
        const words = JSON.stringify(engine.plan(input, verdict).args);
        return [
          ...(draft !== undefined && !words.includes(DRAFT_NAME) ? [`${label}: draft`] : []),
          ...(adapter !== undefined && !words.includes(ADAPTER_NAME) ? [`${label}: adapter`] : []),
        ];
      });
      expect(wrong).toEqual([]);
    });

    it('holds placeholders where an address or a name is chosen later', () => {
      const wrong = plansOf(engine).filter(({ plan }) => {
        const words = plan.args.map(({ value }) => value);
        const address = plan.listen === 'unix' ? ['{socket}'] : ['{host}', '{port}'];
        return address.some((placeholder) => !words.includes(placeholder));
      });
      expect(wrong.map(({ label }) => label)).toEqual([]);
    });

    it('holds no address and no secret', () => {
      const forbidden = /127\.0\.0\.1|0\.0\.0\.0|localhost|\.sock\b|api[-_]key|secret|password/i;
      const wrong = plansOf(engine).filter(({ plan }) =>
        forbidden.test(JSON.stringify([plan.args.map(({ value }) => value), plan.environment])),
      );
      expect(wrong.map(({ label }) => label)).toEqual([]);
    });

    it.runIf(recorded('flags'))('passes only flags that its own help knows', () => {
      const known = new Set(readFileSync(file('flags.txt'), 'utf8').split('\n'));
      const unknown = plansOf(engine)
        .flatMap(({ plan }) => plan.args.map(({ flag }) => flag))
        .filter((flag) => flag.startsWith('-') && !known.has(flag));
      expect([...new Set(unknown)]).toEqual([]);
    });

    it.runIf(recorded('log'))('reads its recorded logs', () => {
      const cases = JSON.parse(readFileSync(file('log.json'), 'utf8')) as Readonly<
        Record<string, readonly { readonly line: string; readonly reading: LogReading | null }[]>
      >;
      const read = Object.entries(cases).map(([name, lines]) => [
        name,
        lines.map(({ line }) => ({ line, reading: engine.readLog(line) })),
      ]);
      expect(Object.fromEntries(read)).toEqual(cases);
    });

    it('makes nothing of a log line it does not know, and survives any', () => {
      expect(engine.readLog('a line nobody has ever written')).toBeNull();
      assert(
        property(string({ maxLength: 300 }), (line) => {
          const reading = engine.readLog(line);
          return reading === null || typeof reading.kind === 'string';
        }),
        { numRuns: 200 },
      );
    });

    it.runIf(recorded('metrics'))('reads its recorded metrics page', () => {
      const page = readFileSync(file('metrics.txt'), 'utf8');
      const expected = JSON.parse(readFileSync(file('metrics.json'), 'utf8')) as EngineMetrics;
      expect(engine.readMetrics(page)).toEqual(expected);
    });

    it('has no value for a metrics page it does not know', () => {
      expect(engine.readMetrics('')).toEqual(NO_METRICS);
      expect(engine.readMetrics('<html>not metrics</html>\nfoo{a="b"} NaN\n')).toEqual(NO_METRICS);
    });

    it('asks for a stream with usage, in JSON, and drops nothing in silence', () => {
      const [first] = plansOf(engine);
      if (first === undefined) return;
      const adapted = engine.adaptRequest(FULL_REQUEST, first.plan);
      expect(JSON.parse(JSON.stringify(adapted))).toEqual(adapted);
      expect(adapted.path.startsWith('/v1/')).toBe(true);
      expect(adapted.body['stream']).toBe(true);
      expect(adapted.body['stream_options']).toEqual({ include_usage: true });
      const warned = adapted.warnings.map(({ feature }) => feature);
      const kept = ['honoured', 'enforced'];
      const lost = ASKED.filter((feature) => !kept.includes(engine.features[feature]));
      expect([...warned].sort()).toEqual([...lost].sort());
      // Either the engine gets the stop texts or our own layer does, never both.
      const { stop } = FULL_REQUEST;
      const isOurs = engine.features.stop === 'enforced';
      const expected = isOurs ? [undefined, stop] : [stop, undefined];
      expect([adapted.body['stop'], adapted.stop]).toEqual(expected);
    });

    it('sends an empty request without fields nobody asked for, and without warnings', () => {
      const [first] = plansOf(engine);
      if (first === undefined) return;
      const { messages } = FULL_REQUEST;
      const adapted = engine.adaptRequest({ ...EMPTY_REQUEST, messages }, first.plan);
      expect(adapted.warnings).toEqual([]);
      for (const name of ['seed', 'stop', 'temperature', 'response_format', 'ignore_eos']) {
        expect(adapted.body).not.toHaveProperty(name);
      }
    });

    it.runIf(recorded('wire'))(
      'has a recorded stream that reads as text, a finish and usage',
      () => {
        const events = readFileSync(file('chat-stream.sse'), 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('data: '))
          .flatMap((line) => readParts(line.slice('data: '.length)));
        const kinds = events.map(({ kind }) => kind);
        expect(kinds).not.toContain('error');
        expect(kinds).toEqual(expect.arrayContaining(['text', 'finish', 'usage', 'done']));
      },
    );
  });
}

/** What `FULL_REQUEST` asks for. */
const ASKED = [
  'temperature',
  'top_p',
  'seed',
  'stop',
  'max_tokens',
  'ignore_eos',
  'json_schema',
] as const;

function isWellFormed({
  code,
  because,
  hint,
}: {
  readonly code: string;
  readonly because: string;
  readonly hint: string | null;
}): boolean {
  if (!/^[a-z][a-z0-9-]+$/.test(code) || because === '' || because.endsWith('.')) return false;
  return hint === null ? code in WITHOUT_HINT : hint !== '' && !hint.endsWith('.');
}
