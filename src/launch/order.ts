/**
 * Answers: what the guard of a session is told: the plan with its placeholders filled in, and where
 * everything of the session lies.
 */
import { join } from 'node:path';
import type { Address } from '../base/http.ts';
import type { Paths } from '../base/paths.ts';
import type { Service, LaunchPlan } from '../engines/engine.ts';
import { fillPlaceholders } from '../engines/shared/placeholders.ts';
import type { LaunchOptions } from './launch-options.ts';
import { sessionsFolder, type SessionAbout } from './ledger.ts';

export interface SessionPlace {
  readonly key: string;
  readonly runFolder: string;
  readonly address: Address;
  /** A second free port; 0 where the plan wants none. */
  readonly metricsPort: number;
}

/** The first line on the stdin of `serve`; `python-services/README.md` has its fields. */
export function guardOrder(
  plan: LaunchPlan,
  options: LaunchOptions,
  place: SessionPlace,
): Readonly<Record<string, unknown>> {
  const fill = filler(plan, options, place);
  const { randomBytes } = process.getBuiltinModule('node:crypto');
  return {
    key: place.key,
    token: randomBytes(16).toString('hex'),
    runFolder: place.runFolder,
    ledgerFile: join(sessionsFolder(options.paths), `${place.key}.json`),
    logFile: logFile(options.paths, place.key),
    keepAliveMs: options.keepAliveMs,
    shutdown: plan.shutdown,
    executable: plan.executable,
    argv: plan.args.flatMap(({ flag, value }) =>
      [flag, ...(value === null ? [] : [value])].map(fill),
    ),
    environment: Object.fromEntries(
      Object.entries(plan.environment).map(([name, value]) => [name, fill(value)]),
    ),
    address: place.address,
    about: aboutSession(plan, options.engine),
  };
}

/** Whether the plan wants it: `{cache}` is a folder that outlives the session. */
export function usesPlaceholder(plan: LaunchPlan, placeholder: string): boolean {
  const values = [...plan.args.map(({ value }) => value), ...Object.values(plan.environment)];
  return values.some((value) => value?.includes(placeholder) === true);
}

/** Puts the values of one session into the placeholders of a plan. */
function filler(
  plan: LaunchPlan,
  options: LaunchOptions,
  { address, metricsPort }: SessionPlace,
): (text: string) => string {
  const values: Readonly<Record<string, string>> = {
    '{socket}': address.kind === 'unix' ? address.path : '',
    '{host}': address.kind === 'tcp' ? address.host : '',
    '{port}': address.kind === 'tcp' ? String(address.port) : '0',
    '{metrics-port}': String(metricsPort),
    '{served-name}': plan.model.name,
    '{cache}': options.engineCacheFolder,
  };
  return (text) => fillPlaceholders(text, values);
}

function aboutSession(plan: LaunchPlan, engine: Service): SessionAbout {
  const { weights, kvCache, overhead } = plan.memoryBytes;
  return {
    engine: plan.engine.id,
    engineName: engine.name,
    version: plan.engine.version,
    recipe: plan.recipe,
    model: plan.model.ref,
    format: plan.model.artifact.format,
    quantization: plan.model.artifact.quantization,
    ...(plan.adapter === undefined ? {} : { adapter: plan.adapter.name }),
    ...(plan.draft === null ? {} : { draft: plan.draft.ref }),
    device: plan.device,
    accelerators: plan.accelerators,
    contextTokens: plan.contextTokens,
    slots: plan.slots,
    memoryBytes: weights + kvCache + overhead,
  };
}

export function logFile(paths: Paths, key: string): string {
  return join(paths.state, 'logs', `${key}.log`);
}
