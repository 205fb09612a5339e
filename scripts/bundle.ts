/**
 * The last step of the build: the program as few files, so that a start reads five files and not a
 * hundred (`docs/decisions/0007-bundled-program.md`). The library in `dist/` stays unbundled.
 */
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = `${root}dist/bin`;

rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: `${root}dist/cli.js`,
  platform: 'node',
  // Loaded late and not always: they stay packages. Commander is in every start.
  external: ['undici', 'zod', 'ora', 'cli-table3', 'yaml', 'systeminformation'],
});
await bundle.write({ dir: out, format: 'esm', chunkFileNames: '[name].js' });
await bundle.close();
chmodSync(`${out}/cli.js`, 0o755);
