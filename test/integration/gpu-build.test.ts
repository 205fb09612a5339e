/**
 * A machine with a GPU gets the GPU build or a loud word, never a CPU build in silence. The machine
 * is a recorded one, the package index a stand-in on loopback, the installer the real one.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HyperLlamaError } from '../../src/base/errors.ts';
import { servicesFolder } from '../../src/base/paths.ts';
import { ENGINES } from '../../src/engines/all.gen.ts';
import type { Engine, LaunchPlan } from '../../src/engines/engine.ts';
import type { Machine } from '../../src/hardware/machine.ts';
import { installedEnvironments } from '../../src/launch/environment.ts';
import { provision } from '../../src/launch/provision.ts';
import { fetchMissing } from '../../src/launch/start.ts';
import { describeModel } from '../../src/models/describe.ts';
import { planLaunch } from '../../src/plan/plan.ts';
import { makeWorkload } from '../../src/workloads/presets.ts';
import { testMachine } from '../fixtures/machines/load.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';
import { testContext, type TestContext } from './context.ts';
import { IndexServer, NOWHERE, onlyIndex, type StandIn } from './index-server.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const driven = ((): Engine => {
  const found = ENGINES.find(({ isDriven, environments }) => isDriven && environments.length > 1);
  if (found === undefined) throw new Error('no driven engine has builds for GPUs');
  return found;
})();

/** As much of `xllamacpp` as the proof of an install touches. */
const STAND_IN: StandIn = {
  name: 'xllamacpp',
  version: driven.versionPinned,
  files: {
    'xllamacpp.py': `
class CommonParams:
    def __getattr__(self, name):
        value = CommonParams()
        object.__setattr__(self, name, value)
        return value

class Server:
    def __init__(self, params):
        pass

    def handle_completions(self, request):
        return {"usage": {"completion_tokens": request["max_tokens"]}}
`,
  },
};

interface Lacking {
  readonly engine: Engine;
  readonly serviceFolder: string;
  readonly installation: null;
  readonly plan: LaunchPlan;
  readonly machine: Machine;
}

/** A start on a machine with an RTX 4090, whose GPU build comes from `index`. */
async function onRtx4090(index: string, device: 'auto' | 'cpu' = 'auto'): Promise<Lacking> {
  const engine: Engine = {
    ...driven,
    environments: driven.environments.map((recipe) =>
      recipe.index === null ? recipe : { ...recipe, index, bytesDownload: 1, bytesOnDisk: 1 },
    ),
  };
  const machine = testMachine('synthetic-rtx-4090');
  const model = await describeModel(writeTinyGguf(join(home.path, 'tiny.gguf')), {
    dataFolder: join(home.path, 'data'),
    cacheFolder: join(home.path, 'cache'),
    env: {},
    aliases: {},
  });
  const workload = makeWorkload('chat', { device });
  const input = { machine, model, workload, installation: null };
  const verdict = engine.check(input);
  if (!verdict.isOk) throw new Error(JSON.stringify(verdict.reasons));
  const plan = planLaunch(engine, input, verdict);
  return {
    engine,
    serviceFolder: join(servicesFolder(), engine.id),
    installation: null,
    plan,
    machine,
  };
}

async function contextWith(index: string, answer = false): Promise<TestContext> {
  return await testContext(home.path, { env: onlyIndex(index, home.path), answer });
}

async function failure(running: Promise<unknown>): Promise<HyperLlamaError> {
  const thrown: unknown = await running.catch((error: unknown) => error);
  if (!(thrown instanceof HyperLlamaError)) throw new Error(`no error but ${String(thrown)}`);
  return thrown;
}

describe('where the index of the GPU build cannot be reached', () => {
  it('the start is refused, naming the GPU, and nothing is installed', async () => {
    const lacking = await onRtx4090(NOWHERE);
    const context = await contextWith(NOWHERE);
    const error = await failure(provision(lacking, context));
    expect([error.code, error.exitCode]).toEqual(['HL_ENGINE_GPU_BUILD_MISSING', 6]);
    expect(error.details['accelerator']).toContain('RTX 4090');
    expect(error.message).toContain('its package index cannot be reached');
    expect(error.hint).toContain('--device cpu');
    expect(await installedEnvironments(context.paths, lacking.engine.id)).toEqual([]);
    const left = readdirSync(join(home.path, 'data'), { recursive: true }).map(String);
    expect(left.filter((name) => name.includes('staging'))).toEqual([]);
  });

  it('the CPU build is taken only where somebody says so', async () => {
    const lacking = await onRtx4090(NOWHERE);
    const no = await contextWith(NOWHERE, false);
    expect((await failure(fetchMissing(lacking, no))).code).toBe('HL_ENGINE_GPU_BUILD_MISSING');
    const yes = await contextWith(NOWHERE, true);
    expect(await fetchMissing(lacking, yes)).toBeNull();
    expect(yes.questions).toHaveLength(1);
    expect(yes.questions[0]).toMatch(/RTX 4090.*many times slower.*Go on with the CPU build\?/);
  });

  it('--device cpu asks nobody and wants the CPU build', async () => {
    const { plan } = await onRtx4090(NOWHERE, 'cpu');
    expect([plan.device, plan.recipe]).toEqual(['cpu', 'cpu']);
  });
});

describe('where the index has no such build', () => {
  it('the start fails for that reason, and nothing is said of an index that was away', async () => {
    await using index = await new IndexServer().listen();
    const error = await failure(
      provision(await onRtx4090(index.url), await contextWith(index.url)),
    );
    expect(error.code).toBe('HL_ENGINE_INSTALL_FAILED');
    expect(error.message).not.toContain('reached');
    expect(index.asked.length).toBeGreaterThan(0);
  });

  it('so does a build that does not compute here', async () => {
    await using index = await new IndexServer().listen();
    const broken = {
      'xllamacpp.py': 'raise ImportError("libcuda.so.1: cannot open shared object")',
    };
    index.serve({ ...STAND_IN, files: broken });
    const error = await failure(provision(await onRtx4090(index.url), await contextWith(NOWHERE)));
    expect(error.code).toBe('HL_ENGINE_INSTALL_FAILED');
    expect(error.message).toContain('libcuda.so.1');
  });
});

describe('where the index serves it', () => {
  it('the build is installed from there, proved, and can use the GPU', async () => {
    await using index = await new IndexServer().listen();
    index.serve(STAND_IN);
    const lacking = await onRtx4090(index.url);
    // The configured index is away: only the GPU build's own one may be asked.
    const context = await contextWith(NOWHERE);
    await provision(lacking, context);
    const [environment] = await installedEnvironments(context.paths, lacking.engine.id);
    expect(environment?.recipe).toBe(lacking.plan.recipe);
    expect(environment?.devices).toContain('nvidia');
  });

  it('other bytes under the same version are refused the next time', async () => {
    await using index = await new IndexServer().listen();
    index.serve(STAND_IN);
    const lacking = await onRtx4090(index.url);
    const context = await contextWith(NOWHERE);
    await provision(lacking, context);
    const [environment] = await installedEnvironments(context.paths, lacking.engine.id);
    const { removeEnvironment } = await import('../../src/launch/environment.ts');
    if (environment !== undefined) await removeEnvironment(environment);
    // What uv has kept are the right bytes: those it would install.
    rmSync(join(home.path, 'uv-cache'), { recursive: true, force: true });
    const changed = `${STAND_IN.files['xllamacpp.py']}# changed\n`;
    index.serve({ ...STAND_IN, files: { 'xllamacpp.py': changed } });
    const error = await failure(provision(lacking, context));
    expect(error.message).toMatch(/other bytes|hash/i);
    expect(await installedEnvironments(context.paths, lacking.engine.id)).toEqual([]);
  });
});
