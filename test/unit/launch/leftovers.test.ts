import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolvePaths } from '../../../src/base/paths.ts';
import { staleStaging } from '../../../src/launch/leftovers.ts';
import { temporaryHome } from '../../support/home.ts';

/** Above the largest pid that Linux gives. */
const NOBODY = 2 ** 22 + 1;

it('finds what killed installs left of engines, models and tools', () => {
  using home = temporaryHome();
  const paths = resolvePaths({ HYPERLLAMA_HOME: home.path });
  const folders = ['engines/e', 'models/m', 'tools/convert'].map((name) =>
    join(paths.data, name, `1.0.0.staging-${NOBODY}`),
  );
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  mkdirSync(join(paths.data, 'tools/convert', `1.0.0.staging-${process.pid}`));
  expect(staleStaging(paths)).toEqual(folders);
});
