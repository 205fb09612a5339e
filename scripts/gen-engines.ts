/** Writes `src/engines/all.gen.ts`: the list of engines, one a file in `src/engines/`. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../src/engines/', import.meta.url));

/** The interface and what reads its values; every other file here is an engine. */
const NOT_ENGINES = ['engine.ts', 'request.ts', 'parts.ts', 'all.gen.ts'];

export function engineIds(): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !NOT_ENGINES.includes(name))
    .filter((name) => readFileSync(`${folder}${name}`, 'utf8').includes('spec: ENGINE_SPEC'))
    .map((name) => name.replace(/\.ts$/, ''))
    .sort();
}

export function enginesSource(ids: readonly string[]): string {
  return [
    '/** Every engine there is. Made by `npm run gen` from the files of this folder. */',
    "import type { Engine } from './engine.ts';",
    ...ids.map((id) => `import ${variable(id)} from './${id}.ts';`),
    '',
    'export const ENGINES: readonly Engine[] = [',
    ...ids.map((id) => `  ${variable(id)},`),
    '];',
    '',
  ].join('\n');
}

/** `llama-cpp` → `llamaCpp` */
function variable(id: string): string {
  return id.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

if (import.meta.main) writeFileSync(`${folder}all.gen.ts`, enginesSource(engineIds()));
