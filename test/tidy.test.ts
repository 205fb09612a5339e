/** Structure and style as a test: what a machine can check is not left to review. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../src/engines/all.gen.ts';
import { DEPLOY_TARGETS } from '../src/engines/deploy/targets.ts';
import { ERRORS } from '../src/base/error-table.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Left to right; a file imports from its own folder and from folders to the left. */
const STAGES: readonly (readonly string[])[] = [
  ['base'],
  ['hardware', 'models', 'workloads'],
  ['engines'],
  ['evidence'],
  ['decision'],
  ['plan'],
  ['launch'],
  ['generate'],
  ['measure'],
  ['gateway'],
  ['pipeline'],
  ['commands'],
  ['cli', 'index'],
];

/** One file for each target of `deploy`, and what they share. */
const DEPLOY = 'src/engines/deploy/';

/** Written apart, so that this file does not hold them. */
const MARKERS = [
  ['TO', 'DO'],
  ['FIX', 'ME'],
  ['XX', 'X'],
].map((parts) => parts.join(''));

interface Source {
  /** `src/launch/launch.ts` */
  readonly path: string;
  readonly text: string;
  /** Folder under `src/`, or the file's own name at the top. */
  readonly stage: string;
  /** Relative imports, type imports and dynamic ones included, as paths under `src/`. */
  readonly imports: readonly string[];
  readonly packages: readonly string[];
}

const sources = filesUnder(join(root, 'src'), '.ts').map((file): Source => readSource(file));

describe('imports', () => {
  it('go leftward only', () => {
    const wrong = sources.flatMap(({ path, stage, imports }) =>
      imports
        .filter((target) => stageOf(target) !== stage)
        .filter((target) => rank(stageOf(target)) >= rank(stage))
        .map((target) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('know every folder of src', () => {
    expect(sources.filter(({ stage }) => rank(stage) === -1).map(({ path }) => path)).toEqual([]);
  });

  it('form no cycle, type imports included', () => {
    expect(findCycle()).toBeNull();
  });

  it('of a concrete engine, and of a target of `deploy`, are pure', () => {
    const allowed =
      /^(engines\/(engine|request)\.ts|engines\/(shared|deploy)\/|base\/(errors|units)\.ts|models\/(memory|model)\.ts|hardware\/machine\.ts|workloads\/workload\.ts)/;
    const targets = sources.filter(({ path }) => path.startsWith(DEPLOY));
    const wrong = [...engineSources(), ...targets].flatMap(({ path, imports, packages }) => [
      ...imports
        .filter((target) => !allowed.test(target))
        .map((target) => `${path} imports ${target}`),
      ...packages.map((name) => `${path} imports ${name}`),
    ]);
    expect(wrong).toEqual([]);
  });

  it('of what engines share touch no file, process or socket', () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('src/engines/'))
      .flatMap(({ path, packages }) => packages.map((name) => `${path} imports ${name}`));
    expect(wrong).toEqual([]);
  });

  it('of concrete engines are in all.gen.ts only, and of that in pipeline.ts only', () => {
    const concrete = new Set(ENGINES.map(({ id }) => `engines/${id}.ts`));
    const wrong = sources
      .filter(({ path }) => path !== 'src/engines/all.gen.ts')
      .filter(({ imports }) => imports.some((target) => concrete.has(target)))
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
    const readers = sources.filter(({ imports }) => imports.includes('engines/all.gen.ts'));
    expect(readers.map(({ path }) => path)).toEqual(['src/pipeline.ts']);
  });

  it('of packages stay where they belong', () => {
    const homes: Readonly<Record<string, RegExp>> = {
      commander: /^src\/(cli\.ts|commands\/)/,
      undici: /^src\/(base\/http\.ts|generate\/|measure\/|gateway\/)/,
      'cli-table3': /^src\/base\/output\.ts/,
      ora: /^src\/base\/output\.ts/,
      systeminformation: /^src\/hardware\/probes\//,
    };
    const wrong = sources.flatMap(({ path, packages }) =>
      packages
        .filter((name) => homes[name] !== undefined && !homes[name].test(path))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});

/** Services that belong to no engine file: a tool, and the guard of custom engines. */
const TOOLS = ['convert', 'custom'];

describe('engines', () => {
  it('are named as a literal in their own file only', () => {
    // `mlx` is also a weight format, and `max` an everyday word that never stands alone in quotes.
    const isFormat = (id: string, path: string): boolean =>
      id === 'mlx' &&
      /^src\/(models|workloads)\/|^src\/engines\/(engine\.ts|shared\/)|^src\/base\/config-custom\.ts/.test(
        path,
      );
    const wrong = sources.flatMap(({ path, text }) =>
      // What stands behind a target is what its file is about.
      ENGINES.filter(({ id }) => path !== `src/engines/${id}.ts` && !path.startsWith(DEPLOY))
        .filter(({ id }) => !isFormat(id, path))
        .filter(({ id }) => stringLiterals(text).includes(id))
        .map(({ id }) => `${path} names ${id}`),
    );
    expect(wrong.filter((line) => !line.startsWith('src/engines/all.gen.ts'))).toEqual([]);
  });

  it('that are driven, and targets, have a service folder; every other one is a known tool', () => {
    const services = readdirSync(join(root, 'python-services'), { withFileTypes: true })
      .filter(
        (entry) =>
          entry.isDirectory() &&
          existsSync(join(root, 'python-services', entry.name, 'service.py')),
      )
      .map(({ name }) => name);
    const driven = ENGINES.filter(({ isDriven }) => isDriven).map(({ id }) => id);
    const owners = new Set([...driven, ...DEPLOY_TARGETS.map(({ id }) => id)]);
    expect(services.toSorted()).toEqual([...owners, ...TOOLS].toSorted());
  });

  it('that are driven have recorded fixtures', () => {
    const missing = ENGINES.filter(({ isDriven }) => isDriven).filter(
      ({ id }) => !existsSync(join(root, 'test', 'fixtures', 'engines', id)),
    );
    expect(missing.map(({ id }) => id)).toEqual([]);
  });
});

describe('documents', () => {
  it('list every error of the table, and no other', () => {
    const text = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
    const documented = [...text.matchAll(/^\| `(HL_[A-Z_]+)`/gm)].map((match) => match[1] ?? '');
    expect(documented.toSorted()).toEqual(Object.keys(ERRORS).toSorted());
  });

  it('link only to files that exist', () => {
    const pages = [
      ...filesUnder(join(root, 'docs'), '.md'),
      join(root, 'README.md'),
      join(root, 'CONTRIBUTING.md'),
      join(root, 'bench', 'README.md'),
    ];
    const wrong = pages.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((link) => !existsSync(join(dirname(page), link)))
        .map((link) => `${relative(root, page)} → ${link}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('source files', () => {
  it('open with a comment that says what they answer', () => {
    const wrong = sources
      .filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
  });

  it('hold no console, no non-null assertion of hope and no leftover marker', () => {
    const marker = new RegExp(`\\b(${MARKERS.join('|')})\\b`);
    const wrong = sources.filter(({ text }) => marker.test(text) || /\bconsole\./.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('stay under 400 lines, the error table aside', () => {
    const long = sources
      .filter(({ path }) => !path.endsWith('.gen.ts') && path !== 'src/base/error-table.ts')
      .filter(({ text }) => text.split('\n').length > 400);
    expect(long.map(({ path }) => path)).toEqual([]);
  });
});

function engineSources(): readonly Source[] {
  return ENGINES.map(({ id }) => {
    const source = sources.find(({ path }) => path === `src/engines/${id}.ts`);
    if (source === undefined) throw new Error(`engine ${id} has no file of its name`);
    return source;
  });
}

function readSource(file: string): Source {
  const text = readFileSync(file, 'utf8');
  const path = relative(root, file);
  const specifiers = [
    ...text.matchAll(/^(?:import|export)\b[^'"]*?from\s+'([^']+)'/gms),
    ...text.matchAll(/^import\s+'([^']+)'/gm),
    ...text.matchAll(/\bimport\('([^']+)'\)/g),
  ].map((match) => match[1] ?? '');
  const imports = specifiers
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(join(root, 'src'), join(dirname(file), name)));
  const packages = specifiers.filter((name) => !name.startsWith('.'));
  return { path, text, stage: stageOf(relative(join(root, 'src'), file)), imports, packages };
}

function stageOf(path: string): string {
  return (path.split('/')[0] ?? '').replace(/\.ts$/, '');
}

function rank(stage: string): number {
  return STAGES.findIndex((names) => names.includes(stage));
}

function findCycle(): readonly string[] | null {
  const graph = new Map(sources.map(({ path, imports }) => [path.slice('src/'.length), imports]));
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): readonly string[] | null => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const target of graph.get(file) ?? []) {
      const cycle = visit(target, [...trail, file]);
      if (cycle !== null) return cycle;
    }
    done.add(file);
    return null;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

/** Text in quotes outside comments: enough to find an engine's id, cheap enough to run always. */
function stringLiterals(text: string): readonly string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
  return [...code.matchAll(/'([^'\n]*)'|"([^"\n]*)"/g)].map((match) => match[1] ?? match[2] ?? '');
}

function filesUnder(folder: string, ending: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesUnder(path, ending);
    return name.endsWith(ending) ? [path] : [];
  });
}
