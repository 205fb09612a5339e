/**
 * What an engine consists of: one file, one service folder. In a copy of the source without them,
 * and with the list of engines made anew, everything else works and no trace is left.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINES } from '../../src/engines/all.gen.ts';
import { temporaryHome } from '../support/home.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const home = temporaryHome();
const copy = join(home.path, 'copy');

beforeAll(() => {
  for (const name of ['src', 'scripts', 'python-services', 'package.json']) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => home[Symbol.dispose]());

function run(...words: readonly string[]): string {
  const env = { PATH: process.env['PATH'], HYPERLLAMA_HOME: join(home.path, 'home') };
  return execFileSync(process.execPath, words, { cwd: copy, env, encoding: 'utf8' });
}

function listed(): readonly string[] {
  run('scripts/gen-engines.ts');
  const json = JSON.parse(run('src/cli.ts', 'engines', '--json')) as {
    readonly engines: readonly { readonly id: string }[];
  };
  return json.engines.map(({ id }) => id);
}

const all = ENGINES.map(({ id }) => id);

describe('without its file and its service folder', () => {
  it.each(all)('%s is gone, and the others are there', (id) => {
    // One that is known only has no service.
    const parts = [join('src', 'engines', `${id}.ts`), join('python-services', id)].filter((part) =>
      existsSync(join(root, part)),
    );
    for (const part of parts) rmSync(join(copy, part), { recursive: true });
    try {
      expect(listed().toSorted()).toEqual(all.filter((other) => other !== id).toSorted());
      // Decisions are made as before, among the others: the first of them is always one.
      const plan = JSON.parse(run('src/cli.ts', 'plan', 'qwen3:8b', '--json')) as {
        readonly decision: { readonly engine: string; readonly rejected: readonly object[] };
      };
      expect(all).toContain(plan.decision.engine);
      expect(plan.decision.rejected).toHaveLength(all.length - 2);
    } finally {
      for (const part of parts) {
        cpSync(join(root, part), join(copy, part), { recursive: true });
      }
    }
  });

  it('and with them again, the list is as it was', () => {
    expect(listed().toSorted()).toEqual(all.toSorted());
    const list = join('src', 'engines', 'all.gen.ts');
    expect(readFileSync(join(copy, list), 'utf8')).toBe(readFileSync(join(root, list), 'utf8'));
    expect(readdirSync(join(copy, 'python-services'))).toEqual(
      readdirSync(join(root, 'python-services')),
    );
  });
});
