import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/base/error-table.ts';
import bench from '../../src/commands/bench.ts';
import { COMMANDS } from '../../src/commands/help.gen.ts';
import { ENGINE_SPEC, type Engine } from '../../src/engines/engine.ts';
import { makeWorkload } from '../../src/workloads/presets.ts';
import { TEST_MODELS } from '../fixtures/engines/models.ts';
import { testMachine } from '../fixtures/machines/load.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'AGENTS.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

describe('the documents', () => {
  it('give each error the exit code and HTTP status of the table', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `(HL_[A-Z_]+)` \| (\d+) \| (\d+) \|/gm)];
    const documented = rows.map(([, code = '', exit, http]) => [code, Number(exit), Number(http)]);
    const table = Object.entries(ERRORS).map(([code, row]) => [code, row.exitCode, row.httpStatus]);
    const byCode = ([a]: readonly unknown[], [b]: readonly unknown[]): number =>
      String(a).localeCompare(String(b), 'en');
    expect(documented.toSorted(byCode)).toEqual(table.toSorted(byCode));
  });

  it('know no error that nothing raises', () => {
    const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/error-table\.ts$|help\.gen\.ts$/.test(name))
      .map((name) => read(join('src', name)))
      .join('\n');
    expect(Object.keys(ERRORS).filter((code) => !source.includes(`'${code}'`))).toEqual([]);
  });

  it('name only commands that exist', () => {
    const known = new Set(['help', ...COMMANDS.flatMap(({ name, aliases }) => [name, ...aliases])]);
    const wrong = PAGES.flatMap((page) =>
      [...read(page).matchAll(/\bhyperllama ([a-z][a-z-]*)/g)]
        .filter(([, name = '']) => !known.has(name))
        .map(([text]) => `${page}: ${text}`),
    );
    expect(wrong).toEqual([]);
  });

  it('give each option of bench', () => {
    const [, usage = ''] =
      /^hyperllama bench MODEL ([^`]*)/m.exec(read('docs/benchmarking.md')) ?? [];
    const options = bench().options.map(({ short, long }) => short ?? long ?? '');
    expect(options.filter((option) => !usage.includes(`[${option}`))).toEqual([]);
  });

  it('show as an example an engine that judges and plans', async () => {
    const page = read('docs/adding-an-engine.md');
    const code = /```ts\n(\/\*\* Tern:[\s\S]*?)```/.exec(page)?.[1] ?? '';
    const folder = mkdtempSync(join(tmpdir(), 'hyperllama-example-'));
    try {
      const file = join(folder, 'tern.ts');
      const engines = join(root, 'src', 'engines');
      writeFileSync(file, code.replaceAll(/from '(\.[^']+)'/g, `from '${engines}/$1'`));
      const { default: engine } = (await import(file)) as { readonly default: Engine };
      expect(engine.spec).toBe(ENGINE_SPEC);
      const verdicts = TEST_MODELS.map((model) => {
        const machine = testMachine('synthetic-rtx-4090');
        const input = { machine, model, workload: makeWorkload('chat'), installation: null };
        return { input, verdict: engine.check(input) };
      });
      const plans = verdicts.flatMap(({ input, verdict }) =>
        verdict.isOk ? [engine.plan(input, verdict)] : [],
      );
      expect(plans.length).toBeGreaterThan(0);
      expect(plans[0]?.args.map(({ flag }) => flag)).toContain('--context');
      expect(engine.readLog('loading weights: 40%')).toEqual({
        kind: 'progress',
        label: 'reading weights',
        fraction: 0.4,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
