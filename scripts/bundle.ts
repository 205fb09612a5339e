/**
 * The last step of the build: the program as few files, so that a start reads a handful and not a
 * hundred (`docs/decisions/0007-bundled-program.md`). The library in `dist/` stays as it is.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { compiledAtOnce } from './compiled-at-once.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist', 'bin');
const commands = join(root, 'dist', 'commands');
// What `--version` needs.
const start = staticImports(join(root, 'dist', 'cli.js'));
// What `info` needs is what every deciding command needs: one file instead of a hundred.
const core = staticImports(join(commands, 'info.js'), staticImports(join(commands, 'program.js')));
// What `generate` imports one after the other: until the engine is on its way, and while it starts.
const launch = joined('commands/generate.js', 'models/describe.js', 'launch/start.js');
const answer = joined('launch/watch-start.js', 'generate/generate.js');

rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: join(root, 'dist', 'cli.js'),
  platform: 'node',
  // Else each command in `core` gets a file of its own, with nothing in it but the way to `core`.
  preserveEntrySignatures: false,
  plugins: [{ name: 'commander-with-less', transform: commanderWithLess }],
  // Loaded late and not always: they stay packages. Commander is in every start.
  external: [/^undici/, 'zod', 'ora', 'cli-table3', 'yaml', 'systeminformation'],
});
await bundle.write({
  dir: out,
  format: 'esm',
  // Not `.js`: there Node looks for a package.json, for each file, to learn what it is.
  chunkFileNames: '[name].mjs',
  // Less to read, to check against the compile cache and to keep in memory. Names stay, for traces.
  minify: {
    compress: { keepNames: { function: true, class: true } },
    mangle: { toplevel: false, keepNames: { function: true, class: true } },
    codegen: { removeWhitespace: true },
  },
  codeSplitting: {
    groups: [
      { name: 'start', test: (id) => start.has(id), priority: 3 },
      { name: 'core', test: (id) => core.has(id) || id.includes('/commander/'), priority: 2 },
      { name: 'launch', test: (id) => launch.has(id), priority: 1 },
      { name: 'answer', test: (id) => answer.has(id) },
    ],
  },
});
await bundle.close();
for (const name of ['core.mjs', 'launch.mjs', 'answer.mjs']) {
  rewrite(join(out, name), (code) => asciiOnly(compiledAtOnce(withRuntime(code))));
}
chmodSync(join(out, 'cli.js'), 0o755);

/** The bundler's own few functions in place of their import: one file less in every start. */
function withRuntime(code: string): string {
  if (!code.includes('/rolldown-runtime.')) return code;
  const runtime = readFileSync(join(out, 'rolldown-runtime.mjs'), 'utf8');
  const functions = runtime.replace(/export\{[^}]*\};?\s*$/, '');
  const whole = code.replace(/import\{[^}]*\}from"\.\/rolldown-runtime\.mjs";?/, () => functions);
  if (functions === runtime || whole === code)
    throw new Error('the bundler writes its runtime differently');
  return whole;
}

function joined(...names: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const name of names) staticImports(join(root, 'dist', name), found);
  return found;
}

/** All files that loading `entry` loads, `import()` not followed, added to `found`. */
function staticImports(entry: string, found = new Set<string>()): Set<string> {
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
 * that are programs of their own, which we have none of. What it needs of Node it gets without a
 * `require`, which an ES module would have to make first.
 */
function commanderWithLess(code: string, id: string): string | null {
  if (!id.includes('/commander/')) return null;
  const unused = "require('node:child_process')";
  if (id.endsWith('/lib/command.js') && !code.includes(unused)) {
    throw new Error('commander loads child_process in another way now');
  }
  return code
    .replace(unused, 'null')
    .replaceAll(/require\('(node:\w+)'\)/g, "globalThis.process.getBuiltinModule('$1')");
}

/** A text with one character beyond Latin-1 takes two bytes for each of the others. */
function asciiOnly(code: string): string {
  return code.replaceAll(
    /[^\0-\u007F]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function rewrite(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}
