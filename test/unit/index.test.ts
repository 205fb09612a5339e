import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as library from '../../src/index.ts';
import type { Machine } from '../../src/index.ts';

const LAPTOP: Machine = {
  schema: 'hyperllama.machine/1',
  os: {
    platform: 'linux',
    name: 'Debian GNU/Linux 12',
    release: '6.1.0',
    libc: { name: 'glibc', version: '2.36' },
    isWsl: false,
    isContainer: false,
  },
  cpu: {
    model: 'a laptop',
    vendor: 'intel',
    architecture: 'x64',
    coresPhysical: 4,
    coresLogical: 8,
    coresUsable: 8,
    isa: ['avx', 'avx2', 'fma', 'f16c'],
    lastLevelCacheBytes: null,
    numaNodes: 1,
  },
  memory: {
    bytesTotal: 16 * 1024 ** 3,
    bytesAvailable: 12 * 1024 ** 3,
    bytesLimit: null,
    bandwidthBytesPerSecond: null,
  },
  accelerators: [],
  disk: { path: '/', bytesTotal: null, bytesFree: null },
  nodes: 1,
  sources: {},
};

let home = '';

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hyperllama-library-'));
});

afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

async function open(): Promise<library.Context> {
  return await library.openContext({ env: { HYPERLLAMA_HOME: home }, workingFolder: home });
}

describe('the library', () => {
  it('chooses and plans for a recorded machine, with reasons, starting nothing', async () => {
    const wanted = {
      model: 'smollm2:135m',
      workload: library.makeWorkload('chat'),
      engineId: null,
      isToRun: true,
      machine: LAPTOP,
    };
    const { decision, plan } = await library.choose(wanted, await open());
    expect(decision.engine.isDriven).toBe(true);
    expect(decision.because.length).toBeGreaterThan(0);
    expect(plan.engine.id).toBe(decision.engine.id);
    expect(plan.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  });

  it('names the nearest engine when asked for one that nobody has', async () => {
    const wanted = {
      model: 'smollm2:135m',
      workload: library.makeWorkload('chat'),
      engineId: 'vlm',
      isToRun: true,
      machine: LAPTOP,
    };
    const context = await open();
    await expect(library.choose(wanted, context)).rejects.toMatchObject({
      code: 'HL_ENGINE_UNKNOWN',
      exitCode: 2,
      hint: expect.stringContaining('vllm'),
    });
  });

  it('reads the project file it is pointed at, and refuses an unknown key by name', async () => {
    await writeFile(join(home, 'hyperllama.yaml'), 'aliases:\n  small: smollm2:135m\n');
    expect((await open()).config.aliases.value).toEqual({ small: 'smollm2:135m' });
    await writeFile(join(home, 'hyperllama.yaml'), 'alias: {}\n');
    await expect(open()).rejects.toMatchObject({
      code: 'HL_CONFIG_INVALID',
      message: expect.stringContaining('alias'),
    });
  });

  it('answers no to every question unless the caller answers', async () => {
    expect(await (await open()).consent('Go on?')).toBe(false);
    const env = { HYPERLLAMA_HOME: home };
    const willing = await library.openContext({ env, consent: async () => true });
    expect(await willing.consent('Go on?')).toBe(true);
  });

  it('loads no package and sets no signal handler when it is imported', () => {
    const entry = new URL('../../src/index.ts', import.meta.url).href;
    const program = `
      import { isBuiltin, registerHooks } from 'node:module';
      const packages = [];
      registerHooks({ resolve: (name, context, next) => {
        if (!/^(\\.|file:)/.test(name) && !isBuiltin(name)) packages.push(name);
        return next(name, context);
      } });
      await import(${JSON.stringify(entry)});
      process.stdout.write(JSON.stringify({ packages, interrupts: process.listenerCount('SIGINT') }));
    `;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    expect(JSON.parse(printed)).toEqual({ packages: [], interrupts: 0 });
  });
});
