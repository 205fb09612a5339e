/** The plan of a start and its fingerprint: equal starts share a session, others do not. */
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import type { Engine, EngineInput, LaunchPlan } from '../../../src/engines/engine.ts';
import { GIB } from '../../../src/base/units.ts';
import { REFERENCE_MODEL } from '../../../src/models/catalog.ts';
import { planLaunch } from '../../../src/plan/plan.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';
import { MACHINE_NAMES, testMachine } from '../../fixtures/machines/load.ts';

function input(machine: string, change: Partial<EngineInput> = {}): EngineInput {
  return {
    machine: testMachine(machine),
    model: REFERENCE_MODEL,
    workload: makeWorkload('chat', {}),
    installation: null,
    ...change,
  };
}

/** `null` = the engine refuses. */
function plan(engine: Engine, given: EngineInput): LaunchPlan | null {
  const verdict = engine.check(given);
  return verdict.isOk ? planLaunch(engine, given, verdict) : null;
}

/** Every plan that any engine makes on any recorded machine. */
const PLANS = MACHINE_NAMES.flatMap((machine) =>
  ENGINES.flatMap((engine) => {
    const made = plan(engine, input(machine));
    return made === null ? [] : [{ machine, engine, made }];
  }),
);

const [first] = PLANS.filter(({ machine }) => machine === 'recorded-epyc-2core');
if (first === undefined) throw new Error('no engine plans anything on the recorded machine');
const { engine } = first;
const HERE = 'recorded-epyc-2core';

describe('every plan', () => {
  it('is the same when it is made again', () => {
    expect(PLANS.length).toBeGreaterThan(50);
    for (const { machine, engine: one, made } of PLANS) {
      expect(plan(one, input(machine))).toEqual(made);
    }
  });

  it('survives JSON', () => {
    for (const { made } of PLANS) expect(JSON.parse(JSON.stringify(made))).toEqual(made);
  });

  it('holds no port, no socket and no secret: they are placeholders', () => {
    const found = PLANS.flatMap(({ made, machine }) => {
      const values = made.args.flatMap(({ value }) => (value === null ? [] : [value]));
      const given = [...values, ...Object.values(made.environment)];
      return given
        .filter((value) => /127\.0\.0\.1|localhost|0\.0\.0\.0|\.sock\b|hf_|sk-/.test(value))
        .map((value) => `${machine} ${made.engine.id}: ${value}`);
    });
    expect(found).toEqual([]);
  });

  it('says where it listens, by a placeholder of the kind it announces', () => {
    const wrong = PLANS.filter(({ made }) => {
      const text = made.args.map(({ value }) => value ?? '').join(' ');
      return made.listen === 'unix' ? !text.includes('{socket}') : !text.includes('{port}');
    });
    expect(wrong.map(({ machine, made }) => `${machine} ${made.engine.id}`)).toEqual([]);
  });

  it('gives a reason for every argument', () => {
    const args = PLANS.flatMap(({ made }) => made.args);
    expect(args.filter(({ because }) => because.length < 4)).toEqual([]);
  });
});

describe('the fingerprint', () => {
  const base = plan(engine, input(HERE));

  it('is 16 hexadecimal digits', () => {
    expect(base?.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  });

  it('does not move with the memory that happens to be free', () => {
    const machine = testMachine(HERE);
    const busy = { ...machine, memory: { ...machine.memory, bytesAvailable: 9 * GIB } };
    expect(plan(engine, input(HERE, { machine: busy }))?.fingerprint).toBe(base?.fingerprint);
  });

  it('does not move with the free disk or the sources of the values', () => {
    const machine = testMachine(HERE);
    const disk = { ...machine.disk, bytesFree: 1 };
    const other = { ...machine, disk, sources: { 'cpu.model': 'elsewhere' } };
    expect(plan(engine, input(HERE, { machine: other }))?.fingerprint).toBe(base?.fingerprint);
  });

  it('moves with the context, the model, its file and the engine’s build', () => {
    const { model, installation } = input(HERE);
    const [artifact, ...others] = model.artifacts;
    if (artifact === undefined) throw new Error('the reference model has artifacts');
    const withFile = (path: string): EngineInput =>
      input(HERE, {
        model: { ...model, artifacts: model.artifacts.map((one) => ({ ...one, path })) },
      });
    const variants = [
      input(HERE),
      input(HERE, { workload: makeWorkload('chat', { contextTokens: 1024 }) }),
      input(HERE, { workload: makeWorkload('chat', { concurrency: 4 }) }),
      input(HERE, { model: { ...model, ref: 'another' } }),
      withFile('/models/a.gguf'),
      withFile('/models/b.gguf'),
    ];
    const prints = variants.map((variant) => plan(engine, variant)?.fingerprint);
    expect(installation).toBeNull();
    expect(others.length).toBeGreaterThan(0);
    expect(new Set(prints).size).toBe(variants.length);
  });
});
