/**
 * Answers: the fake engine in releases of its own, published on an index on loopback and installed
 * from a hash lock like any other engine: what an update, a rollback and an install meet.
 */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onlyIndex, type IndexServer } from '../integration/index-server.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/fake-engine/', import.meta.url));
const LOCK = 'release.lock.txt';

export interface Release {
  readonly version: string;
  /** Faults that this release has, whoever starts it. */
  readonly faults?: string;
  /** Bytes of the package, so that a download takes its time. */
  readonly size?: number;
}

/** Publishes the release; returns the environment of a CLI that pins it. */
export function publish(
  release: Release,
  { index, home }: { readonly index: IndexServer; readonly home: string },
): Record<string, string> {
  const { version, faults = '', size = 0 } = release;
  const hash = index.serve({
    name: 'fake_engine',
    version,
    files: { 'fake_engine/faults.txt': faults, 'fake_engine/data.txt': 'x'.repeat(size) },
  });
  const folder = join(home, `service-${version}`);
  mkdirSync(folder);
  for (const name of readdirSync(FIXTURE).filter((file) => file.endsWith('.py'))) {
    symlinkSync(join(FIXTURE, name), join(folder, name));
  }
  writeFileSync(join(folder, LOCK), `fake-engine==${version} --hash=sha256:${hash}\n`);
  const module = join(home, `engine-${version}.mjs`);
  writeFileSync(module, engineModule(version, folder));
  const env = onlyIndex(index.url, home);
  const named = Object.entries(env).filter(([name]) => /^(?:PIP|UV)_|^NO_PROXY$/.test(name));
  return {
    ...Object.fromEntries(named.map(([name, value]) => [name, value ?? ''])),
    HYPERLLAMA_TEST_ENGINE: module,
  };
}

function engineModule(version: string, folder: string): string {
  return `
import { engine as fake } from ${JSON.stringify(join(FIXTURE, 'engine.ts'))};
export const serviceFolder = ${JSON.stringify(folder)};
export const engine = {
  ...fake,
  versionPinned: ${JSON.stringify(version)},
  environments: [{ ...fake.environments[0], lock: ${JSON.stringify(LOCK)} }],
};
`;
}
