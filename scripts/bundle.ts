/**
 * The last step of the build: the program as few files, so that a start reads a handful and not a
 * hundred (`docs/decisions/0007-bundled-program.md`). The library in `dist/` stays as it is.
 */
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist', 'bin');
const core = staticImports(join(root, 'dist', 'commands', 'info.js'));

rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: join(root, 'dist', 'cli.js'),
  platform: 'node',
  // Loaded late and not always: they stay packages. Commander is in every start.
  plugins: [{ name: 'commander-without-child-process', transform: withoutChildProcess }],
  external: ['undici', 'zod', 'ora', 'cli-table3', 'yaml', 'systeminformation'],
});
await bundle.write({
  dir: out,
  format: 'esm',
  chunkFileNames: '[name].js',
  codeSplitting: {
    // What `info` needs is what every deciding command needs: one file instead of sixteen.
    groups: [{ name: 'core', test: (id) => core.has(id) || id.includes('/commander/') }],
  },
});
await bundle.close();
chmodSync(join(out, 'cli.js'), 0o755);

/** All files that loading `entry` loads, `import()` not followed. */
function staticImports(entry: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  const text = readFileSync(entry, 'utf8');
  for (const match of text.matchAll(/^(?:import|export)\b[^'"]*?from\s+'(\.[^']+)'/gms)) {
    staticImports(join(dirname(entry), match[1] ?? ''), found);
  }
  return found;
}

/**
 * Commander loads `node:child_process` (with `net` and the streams: 4 ms of each start) for commands
 * that are programs of their own, which we have none of.
 */
function withoutChildProcess(code: string, id: string): string | null {
  const load = "require('node:child_process')";
  if (!id.endsWith('/commander/lib/command.js')) return null;
  if (!code.includes(load)) throw new Error('commander loads child_process in another way now');
  return code.replace(load, 'null');
}
