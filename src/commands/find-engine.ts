/** Answers: the engine that a person named by its id. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { nearestNames } from '../base/suggest.ts';
import type { Engine } from '../engines/engine.ts';
import { knownEngines } from '../pipeline.ts';

/** @throws HL_ENGINE_UNKNOWN with the ids that are known */
export async function findEngine(id: string, context: Context): Promise<Engine> {
  const engines = await knownEngines(context);
  const engine = engines.find((candidate) => candidate.id === id);
  if (engine !== undefined) return engine;
  const known = engines.map((candidate) => candidate.id);
  const nearest = nearestNames(id, known, { count: 2, isAnyDistance: false });
  return fail('HL_ENGINE_UNKNOWN', { engine: id, known, nearest });
}
