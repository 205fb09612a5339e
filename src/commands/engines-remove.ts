/** `hyperllama engines remove`: takes the environments of an engine away, unless one is in use. */
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { installedEnvironments, removeEnvironment } from '../launch/environment.ts';
import { sessionsFrom } from '../launch/fleet.ts';
import { findInstallable } from './find-engine.ts';

export async function removeEngine(id: string, context: Context): Promise<void> {
  const engine = await findInstallable(id, context);
  const environments = await installedEnvironments(context.paths, id);
  const users = await sessionsFrom(environments, id, context.paths);
  if (users.length > 0) {
    const sessions = users.map(({ key, about }) => `${key} (${about.model})`);
    fail('HL_ENGINE_IN_USE', { engine: engine.name, id, sessions });
  }
  const { output } = context;
  const removed: { readonly path: string; readonly bytesOnDisk: number | null }[] = [];
  for (const environment of environments) {
    await removeEnvironment(environment);
    const { path, bytesOnDisk } = environment;
    removed.push({ path, bytesOnDisk });
    const freed = bytesOnDisk === null ? '' : `, ${formatBytes(bytesOnDisk)} freed`;
    if (!output.isJson) output.text(`removed ${path}${freed}\n`);
  }
  if (output.isJson) {
    const bytesFreed = removed.reduce((sum, { bytesOnDisk }) => sum + (bytesOnDisk ?? 0), 0);
    return output.json({ schema: 'hyperllama.remove/1', id, removed, bytesFreed });
  }
  if (removed.length === 0) output.text(`${engine.name} is not installed\n`);
}
