/** Runs every generator with `--check`: fails, naming it, when a generated file is not fresh. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

for (const name of ['gen-engines', 'gen-help', 'gen-docs']) {
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const { status } = spawnSync(process.execPath, [file, '--check'], { stdio: 'inherit' });
  if (status === 0) continue;
  console.error(`what ${name}.ts writes is not fresh: run \`npm run gen\``);
  process.exitCode = 1;
}
