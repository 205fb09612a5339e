/** Answers: the engine that a person named by its id, or whatever else can be installed by an id. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { nearestNames } from '../base/suggest.ts';
import { DEPLOY_TARGETS } from '../engines/deploy/targets.ts';
import type { Engine, Service } from '../engines/engine.ts';
import { knownEngines } from '../pipeline.ts';

export type Installable = Service & Pick<Engine, 'isDriven'>;

/** @throws HL_ENGINE_UNKNOWN with the ids that are known, HL_USAGE for one of the user's own */
export async function findEngine(id: string, context: Context): Promise<Engine> {
  return find(id, await knownEngines(context));
}

/**
 * Targets of `deploy` are installed, proved and removed like engines, and stand in no list of them.
 * @throws as `findEngine` does
 */
export async function findInstallable(id: string, context: Context): Promise<Installable> {
  const targets = DEPLOY_TARGETS.map((target) => ({ ...target, isDriven: true }));
  return find(id, [...targets, ...(await knownEngines(context))]);
}

function find<T extends Service>(id: string, all: readonly T[]): T {
  const found = all.find((candidate) => candidate.id === id);
  if (found?.custom !== undefined) {
    const problem = `\`${id}\` comes from the configuration: HyperLlama neither installs, verifies nor removes it`;
    const hint = `\`hyperllama generate MODEL "Hi" --engine ${id}\` shows whether it works`;
    fail('HL_USAGE', { problem, command: 'engines', hint });
  }
  if (found !== undefined) return found;
  const known = [...new Set(all.map((candidate) => candidate.id))];
  const nearest = nearestNames(id, known, { count: 2, isAnyDistance: false });
  return fail('HL_ENGINE_UNKNOWN', { engine: id, known, nearest });
}
