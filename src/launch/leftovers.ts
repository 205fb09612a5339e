/**
 * Answers: what installs that were killed left on the disk. A running install has a staging folder
 * too: whoever removes one has to hold its lock, which only Python can take.
 */
import { join } from 'node:path';
import type { Context } from '../base/context.ts';
import { listIfAny } from '../base/fs.ts';
import { servicesFolder, type Paths } from '../base/paths.ts';
import { isPidAlive } from '../base/pid.ts';

/** Folders of one engine, model or tool each lie in these. */
const GROUPS = ['engines', 'models', 'tools'];
/** `1.2.0-cpu.staging-4711`; the number is the pid of who made it. */
const STAGING = /\.staging-(?:removed-)?(\d+)$/;
/** Gigabytes in tens of thousands of files, on a slow disk. */
const SWEEP_DEADLINE_MS = 300_000;

/** Staging folders whose maker is no longer there. */
export function staleStaging(paths: Paths): readonly string[] {
  return placesOfInstalls(paths).flatMap((folder) =>
    listIfAny(folder)
      .filter((name) => {
        const pid = STAGING.exec(name)?.[1];
        return pid !== undefined && !isPidAlive(Number(pid));
      })
      .map((name) => join(folder, name)),
  );
}

/** Removes what no running install holds; returns what went, and why something did not. */
export async function sweepStaging({ paths, python }: Context): Promise<{
  readonly removed: readonly string[];
  readonly failure: string | null;
}> {
  if (staleStaging(paths).length === 0) return { removed: [], failure: null };
  const { executable } = await python();
  const { runCommand } = await import('../base/exec.ts');
  const shared = join(servicesFolder(), 'shared');
  const result = await runCommand(
    executable,
    ['-m', 'hyperllama_service.sweep', ...placesOfInstalls(paths)],
    { deadlineMs: SWEEP_DEADLINE_MS, cwd: shared, env: { ...process.env, PYTHONPATH: shared } },
  );
  if (result.kind !== 'exited')
    return { removed: [], failure: `the sweep ended with ${result.kind}` };
  const removed = result.stdout.split('\n').flatMap((line) => {
    const event = line.startsWith('{') ? (JSON.parse(line) as { readonly path?: unknown }) : {};
    return typeof event.path === 'string' ? [event.path] : [];
  });
  const problem = result.stderr.trim().split('\n').at(-1) ?? '';
  return { removed, failure: result.code === 0 ? null : problem };
}

function placesOfInstalls({ data }: Paths): readonly string[] {
  return GROUPS.flatMap((group) =>
    listIfAny(join(data, group)).map((name) => join(data, group, name)),
  );
}
