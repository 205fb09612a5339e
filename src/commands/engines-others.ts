/** Answers: what lies installed beside the engines, and how it goes? Fronts of `deploy`, the converter. */
import { dirname } from 'node:path';
import type { Context } from '../base/context.ts';
import type { Paths } from '../base/paths.ts';
import { formatBytes } from '../base/units.ts';
import { DEPLOY_TARGETS } from '../engines/deploy/targets.ts';
import {
  environmentsIn,
  installedEnvironments,
  type InstalledEnvironment,
} from '../launch/environment.ts';
import { converterFolder } from '../models/convert.ts';

export interface OtherInstalled {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly bytesOnDisk: number | null;
  readonly path: string;
  readonly purpose: string;
}

export async function installedBeside(paths: Paths): Promise<readonly OtherInstalled[]> {
  const fronts = await Promise.all(
    DEPLOY_TARGETS.map(async ({ id, name }) => {
      const purpose = `front of \`deploy --target ${id}\``;
      return listed(await installedEnvironments(paths, id), { id, name, purpose });
    }),
  );
  const converters = await environmentsIn(dirname(converterFolder(paths.data)));
  const purpose = 'writes the weights of GGUF files in other formats';
  return [...fronts.flat(), ...listed(converters, { id: 'convert', name: 'converter', purpose })];
}

function listed(
  environments: readonly InstalledEnvironment[],
  what: Pick<OtherInstalled, 'id' | 'name' | 'purpose'>,
): readonly OtherInstalled[] {
  return environments.map(({ version, bytesOnDisk, path }) => ({
    ...what,
    version,
    bytesOnDisk,
    path,
  }));
}

export function printBeside(others: readonly OtherInstalled[], { output }: Context): void {
  for (const { id, name, version, bytesOnDisk, path, purpose } of others) {
    const size = bytesOnDisk === null ? '' : ` (${formatBytes(bytesOnDisk)})`;
    const end = DEPLOY_TARGETS.some((target) => target.id === id)
      ? `\`hyperllama engines remove ${id}\` removes it`
      : `in \`${path}\``;
    output.text(`also installed: ${name} ${version}${size}, ${purpose}; ${end}\n`);
  }
}
