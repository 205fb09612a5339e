/** Engines from the configuration: a command template as a plan, and a server as one. */
import { describe, expect, it } from 'vitest';
import type { ServerSettings } from '../../../src/base/config-custom.ts';
import type { Engine, EngineInput, EnginePlan } from '../../../src/engines/engine.ts';
import { attachedEngine, namedModel } from '../../../src/engines/shared/attached.ts';
import { commandEngine } from '../../../src/engines/shared/custom.ts';
import { EMPTY_REQUEST } from '../../../src/engines/request.ts';
import { decide } from '../../../src/decision/decide.ts';
import { chooseModel, requestHeaders } from '../../../src/launch/attach.ts';
import { planLaunch } from '../../../src/plan/plan.ts';
import { engine as contractEngine } from '../../fixtures/custom-engine/engine.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { TEST_MODELS } from '../../fixtures/engines/models.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';

const GGUF = TEST_MODELS.find(({ artifacts }) => artifacts.some(({ format }) => format === 'gguf'));
if (GGUF === undefined) throw new Error('there is a GGUF among the test models');
const input: EngineInput = {
  machine: testMachine('synthetic-laptop-avx2-8gb'),
  model: GGUF,
  workload: makeWorkload('chat', { contextTokens: 2048 }),
  installation: null,
};

function planOf(engine: Engine, of: EngineInput = input): EnginePlan {
  const verdict = engine.check(of);
  if (!verdict.isOk) throw new Error(JSON.stringify(verdict.reasons));
  return engine.plan(of, verdict);
}

const settings = {
  kind: 'command',
  listen: 'unix',
  ready: '/health',
  formats: ['gguf'],
  devices: ['cpu'],
  environment: {},
  model: null,
  startSeconds: 60,
} as const;

const SERVER: ServerSettings = {
  kind: 'server',
  url: 'http://h:1/base',
  address: { kind: 'tcp', host: 'h', port: 1 },
  base: '/base',
  keyVariable: 'MY_KEY',
  model: null,
};

const request = { ...EMPTY_REQUEST, messages: [{ role: 'user' as const, content: 'Hi' }] };

describe('a command', () => {
  it('becomes a plan: values of the plan filled in, those of the session left', () => {
    const words = ['s', '-m', '{model}', '{socket}', '--n={slots}', '-c', '{context}', '-x', '-y'];
    const engine = commandEngine(
      'mine',
      { ...settings, words: ['s', ...words.slice(1)] },
      '/opt/s',
    );
    const plan = planOf(engine);
    const [artifact] = input.model.artifacts.filter(({ format }) => format === 'gguf');
    const path = artifact?.path ?? `{${input.model.ref}}`;
    expect(plan.args.map(({ flag, value }) => [flag, value])).toEqual([
      ['-m', path],
      ['{socket}', null],
      ['--n=1', null],
      ['-c', '2048'],
      ['-x', null],
      ['-y', null],
    ]);
    expect(plan).toMatchObject({ service: 'custom', executable: '/opt/s', recipe: null });
    expect(plan.readiness.path).toBe('/health');
    expect(plan.readiness.deadlineMs).toBeGreaterThanOrEqual(60_000);
  });

  it('keeps a value with blanks or braces as one word', () => {
    const words = ['s', '--json', '{"a": "{context}"}', '--at', '{socket}'] as const;
    const plan = planOf(commandEngine('mine', { ...settings, words }, '/opt/s'));
    expect(plan.args[0]).toMatchObject({ flag: '--json', value: '{"a": "2048"}' });
  });

  it('whose program is missing is refused with a way out', () => {
    const engine = commandEngine('mine', { ...settings, words: ['s', '{socket}'] }, null);
    const verdict = engine.check(input);
    expect(verdict.isOk ? [] : verdict.reasons).toMatchObject([
      { code: 'program-missing', because: '`s` is not on PATH' },
    ]);
  });

  it('calls the model in requests as the settings say', () => {
    const words = ['s', '{socket}'] as const;
    const named = commandEngine('mine', { ...settings, words, model: 'served' }, '/opt/s');
    expect(named.adaptRequest(request, planOf(named)).body['model']).toBe('served');
    const plain = commandEngine('mine', { ...settings, words }, '/opt/s');
    expect(plain.adaptRequest(request, planOf(plain)).body['model']).toBe(input.model.name);
  });

  it('that finds its port taken says so in words of the system', () => {
    expect(contractEngine.readLog('OSError: [Errno 98] Address already in use')).toMatchObject({
      kind: 'failed',
      code: 'HL_ENGINE_PORT_BUSY',
    });
  });
});

describe('a server', () => {
  const engine = attachedEngine('mine', SERVER);
  const named = { ...input, model: namedModel('m') };

  it('is asked below its base path, and nothing of it is started', () => {
    const plan = planOf(engine, named);
    expect(engine.adaptRequest(request, plan).path).toBe('/base/v1/chat/completions');
    expect(plan).toMatchObject({ args: [], executable: null, recipe: null, attach: SERVER });
  });

  it('refuses what another dialect would be needed for', () => {
    const verdict = engine.check({ ...named, workload: makeWorkload('embed') });
    expect(verdict.isOk ? [] : verdict.reasons).toMatchObject([{ code: 'need-unsupported' }]);
  });

  it.each([
    [['a', 'b'], 'b', 'a', 'b'],
    [['a', 'b'], null, 'a', 'a'],
    [['a'], null, 'x', 'a'],
    [[], 'b', 'x', 'b'],
  ])('that has %j, with %j configured and %j typed, is asked for %j', (has, model, ref, name) => {
    expect(chooseModel(has, { engine: 'mine', server: { ...SERVER, model }, ref })).toBe(name);
  });

  it.each([
    [['a', 'b'], 'c', 'a', 'HL_SERVER_MODEL_UNKNOWN'],
    [['a', 'b'], null, 'x', 'HL_SERVER_MODEL_UNKNOWN'],
    [[], null, 'x', 'HL_SERVER_UNREACHABLE'],
  ])('that has %j, with %j configured and %j typed, is refused: %s', (has, model, ref, code) => {
    const choose = (): string =>
      chooseModel(has, { engine: 'mine', server: { ...SERVER, model }, ref });
    expect(choose).toThrow(expect.objectContaining({ code }));
  });

  it('gets its key from the variable, which has to be set', () => {
    const config = { custom: { value: {}, origin: '/c.yaml' } };
    const headers = (env: NodeJS.ProcessEnv): unknown =>
      requestHeaders('mine', SERVER, { config, env });
    expect(headers({ MY_KEY: 'k' })).toEqual({ authorization: 'Bearer k' });
    expect(headers({ MY_KEY: 'kéy' })).toEqual({ authorization: 'Bearer kéy' });
    for (const missing of [{}, { MY_KEY: '' }]) {
      expect(() => headers(missing)).toThrow(/the variable `MY_KEY` is not set/);
    }
  });

  it.each(['SECRET\n', 'SEC\r\nRET', 'SEC\u0007RET', 'SECRET\u0085', 'SECRET–'])(
    'refuses the key %j by the name of its variable, without its value',
    (key) => {
      const config = { custom: { value: {}, origin: '/c.yaml' } };
      const headers = (): unknown =>
        requestHeaders('mine', SERVER, { config, env: { MY_KEY: key } });
      expect(headers).toThrow(
        expect.objectContaining({
          code: 'HL_CONFIG_INVALID',
          message: expect.stringMatching(/`MY_KEY`(?!.*SEC)/),
        }),
      );
    },
  );
});

describe('the decision', () => {
  it('takes neither by itself, and either when it is named', () => {
    const engines = [contractEngine, attachedEngine('server', SERVER)];
    const facts = { ...input, engines, installations: new Map() };
    expect(() => decide(facts)).toThrow(expect.objectContaining({ code: 'HL_NO_ENGINE_FITS' }));
    for (const engineId of ['mine', 'server']) {
      const { engine, verdict } = decide({ ...facts, engineId });
      expect(engine.id).toBe(engineId);
      expect(planLaunch(engine, input, verdict).fingerprint).toMatch(/^[0-9a-f]{16}$/);
    }
  });
});
