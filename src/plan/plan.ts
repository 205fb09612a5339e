/**
 * Answers: exactly how is it started? The engine's own plan, the user's overrides, and the
 * fingerprint under which a running session may be shared.
 */
import type { EngineInput, EnginePlan, LaunchPlan, PlannedModel } from '../engines/engine.ts';
import type { Engine, VerdictOk } from '../engines/engine.ts';

/** Serialisable, the same for the same input; holds no port, socket or secret. */
export function planLaunch(engine: Engine, input: EngineInput, verdict: VerdictOk): LaunchPlan {
  return withFingerprint(engine.plan(input, verdict));
}

/** `replica`: which of several sessions of the same plan it is; each has a key of its own. */
export function withFingerprint(plan: EnginePlan, replica = 0): LaunchPlan {
  return { ...plan, fingerprint: fingerprint(plan, replica) };
}

/** 16 hex digits over what decides what is served: engine, file, arguments, variables. */
function fingerprint(plan: EnginePlan, replica: number): string {
  const { engine, model, draft, adapter, recipe, executable, args, environment } = plan;
  const weightsOf = ({ ref, artifact }: PlannedModel): readonly unknown[] => [
    ref,
    artifact.path,
    artifact.bytesOnDisk,
    artifact.sha256,
  ];
  const what = {
    engine,
    recipe,
    executable,
    model: weightsOf(model),
    ...(draft === null ? {} : { draft: weightsOf(draft) }),
    ...(adapter === undefined ? {} : { adapter }),
    args: args.map(({ flag, value }) => [flag, value]),
    environment: Object.entries(environment).sort(([a], [b]) => (a < b ? -1 : 1)),
    ...(replica === 0 ? {} : { replica }),
  };
  // By name, because an import would load it (5 ms) for commands that plan nothing.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 16);
}
