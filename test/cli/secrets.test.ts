/** Secrets of the caller's environment: none reaches the engine, a file, an argv or the screen. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { preparedHome, type PreparedHome } from '../support/prepared-home.ts';
import { hasVariable, listProcesses } from '../support/processes.ts';
import { startAsking, written } from './asking.ts';

let prepared: PreparedHome;
beforeAll(async () => {
  prepared = await preparedHome();
});
afterAll(() => prepared[Symbol.dispose]());

/** Eight secrets as people have them at hand; each holds the word. */
const CANARY = 'CANARY';
const PLANTED: Readonly<Record<string, string>> = {
  HF_TOKEN: `hf_${CANARY}0123456789`,
  OPENAI_API_KEY: `sk-${CANARY}-0123456789`,
  AWS_SECRET_ACCESS_KEY: `${CANARY}/abc`,
  GITHUB_TOKEN: `ghp_${CANARY}`,
  DATABASE_URL: `postgres://ann:${CANARY}@db.test/x`,
  MY_PASSWORD: CANARY,
  COOKIE: `session=${CANARY}`,
  PIP_EXTRA_INDEX_URL: `https://ann:${CANARY}@index.test/simple`,
};

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile());
}

it.runIf(process.platform === 'linux')('stay where they are', async () => {
  using home = prepared.trial();
  const words = ['count', '--verbose', '--max-tokens', '5'];
  const running = startAsking(home, { words, faults: ['hang-decode=3'], more: { env: PLANTED } });
  await written(running, 'stdout', 'three');
  const engines = listProcesses().filter(({ commandLine }) =>
    commandLine.includes(`${home.path}/run`),
  );
  expect(engines.length).toBeGreaterThan(0);
  for (const engine of engines) {
    expect(engine.commandLine).not.toContain(CANARY);
    expect(engine.environment).not.toContain(CANARY);
    expect(hasVariable(engine, 'HYPERLLAMA_HOME', home.path)).toBe(false);
  }
  const holders = (): readonly string[] =>
    ['state', 'run', 'cache', 'config']
      .map((name) => join(home.path, name))
      .flatMap((folder) => (statSync(folder, { throwIfNoEntry: false }) ? filesUnder(folder) : []))
      .filter((path) => readFileSync(path, 'latin1').includes(CANARY));
  expect(holders()).toEqual([]);
  running.child.kill('SIGINT');
  const result = await running.result;
  expect(result.stdout + result.stderr).not.toContain(CANARY);
  expect(holders()).toEqual([]);
});
