/** What is said before something is fetched: only what is missing. */
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { Context } from '../../../src/base/context.ts';
import { resolvePaths } from '../../../src/base/paths.ts';
import { provision, type Lacking } from '../../../src/launch/provision.ts';
import { DEMO, DEMO_MODEL } from '../../../src/models/catalog-demo.ts';
import { temporaryHome } from '../../support/home.ts';

async function announced(
  home: string,
  { bytesFree, code }: { readonly bytesFree: number | null; readonly code: string } = {
    bytesFree: null,
    code: 'HL_DOWNLOAD_FAILED',
  },
): Promise<readonly string[]> {
  const notes: string[] = [];
  const progress = { phase: () => undefined, bytes: () => undefined, stop: () => undefined };
  const artifact = DEMO_MODEL.artifacts.find(({ origin }) => origin === 'conversion');
  // An engine that is there: only the model is missing.
  const model = { ...DEMO_MODEL, artifact };
  const plan = { executable: '/bin/true', model, draft: null };
  const context = {
    paths: resolvePaths({ HYPERLLAMA_HOME: home }),
    env: {},
    signal: new AbortController().signal,
    // Everything after the announcement fails at once.
    python: async () => ({ executable: join(home, 'no-python') }),
    output: { note: (text: string) => notes.push(text), progress: () => progress },
  };
  const machine = { disk: { bytesFree, path: home } };
  // Only these parts of both are looked at.
  const running = provision({ plan, machine } as unknown as Lacking, context as unknown as Context);
  await expect(running).rejects.toMatchObject({ code });
  return notes.map((note) => note.trim().split(':')[0] ?? '');
}

it('announces a download of the demo model and of the converter where they are missing', async () => {
  using home = temporaryHome();
  const { data } = resolvePaths({ HYPERLLAMA_HOME: home.path });
  const made = `convert ${DEMO.name} to safetensors bf16`;
  expect(await announced(home.path)).toEqual([
    `download ${DEMO.name}`,
    'download the converter',
    made,
  ]);
  const file = join(data, DEMO.file);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  truncateSync(file, DEMO.bytesOnDisk);
  expect(await announced(home.path)).toEqual(['download the converter', made]);
  mkdirSync(join(data, 'tools/convert/0.19.0'), { recursive: true });
  expect(await announced(home.path)).toEqual([made]);
});

it('refuses a disk without room for the file, its wheel, the converter and what is made', async () => {
  using home = temporaryHome();
  const full = { bytesFree: 400_000_000, code: 'HL_DISK_FULL' };
  expect(await announced(home.path, full)).toEqual([]);
});
