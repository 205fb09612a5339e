/** `hyperllama engines rollback`: the version before the last update is in use again, at once. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { compareVersions } from '../engines/shared/versions.ts';
import { environmentsInUse, installedEnvironments, useEnvironment } from '../launch/environment.ts';
import { findEngine } from './find-engine.ts';

export async function rollBackEngine(id: string, context: Context): Promise<void> {
  const engine = await findEngine(id, context);
  const { output, paths } = context;
  const [all, inUse] = await Promise.all([
    installedEnvironments(paths, id),
    environmentsInUse(paths, id),
  ]);
  const [newest] = inUse;
  if (newest === undefined) {
    const because = 'there is no environment of it';
    return fail('HL_ENGINE_NOT_INSTALLED', { engine: engine.name, id, because });
  }
  const steps = inUse.flatMap((from) => {
    // The list is sorted: the first older one is the one before.
    const to = all.find(
      ({ recipe, version }) => recipe === from.recipe && compareVersions(version, from.version) < 0,
    );
    return to === undefined ? [] : [{ from, to }];
  });
  if (steps.length === 0) {
    return fail('HL_ENGINE_NO_PREVIOUS', { engine: engine.name, id, version: newest.version });
  }
  for (const { to } of steps) await useEnvironment(paths, id, to);
  const rollbacks = steps.map(({ from, to }) => ({
    recipe: to.recipe,
    from: from.version,
    to: to.version,
    path: to.path,
  }));
  if (output.isJson) return output.json({ schema: 'hyperllama.rollback/1', id, rollbacks });
  for (const { recipe, from, to } of rollbacks) {
    output.text(`${engine.name} ${to} is in use again, ${from} is kept (${recipe})\n`);
  }
  output.note(
    ` sessions that run keep their version; \`hyperllama engines update ${id}\` goes forward`,
  );
}
