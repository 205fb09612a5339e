/** What is typed on each machine: addresses filled in, keys as references, no word of this machine. */
import { describe, expect, it } from 'vitest';
import { DEPLOY_TARGETS } from '../../../src/engines/deploy/targets.ts';
import type { DeployTarget } from '../../../src/engines/deploy/target.ts';
import type { Engine, EnginePlan } from '../../../src/engines/engine.ts';
import { frontCommand, nodeCommand } from '../../../src/plan/node-commands.ts';
import type { Node } from '../../../src/plan/nodes.ts';
import { ENGINES } from '../../../src/engines/all.gen.ts';
import { testMachine } from '../../fixtures/machines/load.ts';
import { TEST_MODELS } from '../../fixtures/engines/models.ts';
import { makeWorkload } from '../../../src/workloads/presets.ts';

const FRONT = { host: '10.0.0.1', port: 30_000 };
const NODE: Node = {
  name: 'gpu-a',
  host: '10.0.0.11',
  port: 8000,
  engine: null,
  machine: null,
  key: null,
};

const [smg, dynamo] = ['smg', 'dynamo'].map((id) => DEPLOY_TARGETS.find((one) => one.id === id));

/** The engine's plan on an H200 for the first model it takes there. */
function planned(
  id: string,
  listen: 'tcp' | 'unix' = 'tcp',
): { readonly engine: Engine; readonly plan: EnginePlan } {
  const engine = ENGINES.find((one) => one.id === id);
  for (const model of TEST_MODELS) {
    const machine = testMachine('synthetic-h200');
    const input = { machine, model, workload: makeWorkload('chat'), installation: null };
    const asked = listen === 'tcp' ? { ...input, listen } : input;
    const verdict = engine?.check(asked);
    if (engine !== undefined && verdict?.isOk === true) {
      return { engine, plan: engine.plan(asked, verdict) };
    }
  }
  throw new Error(`no plan for ${id}`);
}

function commandOf(
  target: DeployTarget | undefined,
  id: string,
  change: Partial<Node> = {},
): { command: string; url: string; health: string } | { because: string } {
  if (target === undefined) throw new Error('no such target');
  return nodeCommand(target, planned(id), { node: { ...NODE, ...change }, front: FRONT });
}

describe('behind smg, a node', () => {
  it('runs the engine at its own address', () => {
    const made = commandOf(smg, 'vllm');
    expect(made).toMatchObject({
      command: expect.stringMatching(/^(\S+=\S* )*vllm serve /) as string,
      url: 'http://10.0.0.11:8000',
      health: 'curl -sf http://10.0.0.11:8000/health',
    });
    expect(made).toMatchObject({
      command: expect.stringContaining('--host 10.0.0.11 --port 8000') as string,
    });
    expect(JSON.stringify(made)).not.toMatch(/\{(host|port|socket|served-name|cache)\}/);
  });

  it('gets its key from a variable of its own shell', () => {
    const made = commandOf(smg, 'llama-cpp', { key: { kind: 'env', name: 'A_KEY' } });
    expect(made).toMatchObject({
      command: expect.stringContaining('LLAMA_API_KEY="$A_KEY" llama-server') as string,
    });
  });

  it('with a key is refused for an engine that would not ask for it', () => {
    const made = commandOf(smg, 'sglang', { key: { kind: 'env', name: 'A_KEY' } });
    expect(made).toEqual({
      because: 'its engine reads no key from a variable: leave the field `key` out',
    });
  });

  it('is refused for an engine on a socket, which no other machine reaches', () => {
    if (smg === undefined) throw new Error('no such target');
    const made = nodeCommand(smg, planned('vllm', 'unix'), { node: NODE, front: FRONT });
    expect(made).toEqual({ because: 'it listens on no port' });
  });

  it('with a key joins the front by a line in which the key is a reference', () => {
    const line = smg?.join?.({
      frontUrl: 'http://10.0.0.1:30000',
      engineUrl: 'http://10.0.0.11:8000',
      key: '"$A_KEY"',
    });
    expect(line).toBe(
      `printf '{"url":"%s","api_key":"%s"}' http://10.0.0.11:8000 "$A_KEY" | curl -sf -X POST http://10.0.0.1:30000/workers -H 'content-type: application/json' -d @-`,
    );
  });
});

describe("behind Dynamo's frontend, a node", () => {
  it.each([
    ['vllm', 'python -m dynamo.vllm --model '],
    ['sglang', 'python -m dynamo.sglang --model-path '],
  ])('with %s runs its worker, without the flags of a server', (id, program) => {
    const made = commandOf(dynamo, id);
    expect(made).toMatchObject({ command: expect.stringContaining(program) as string });
    expect(made).toMatchObject({
      command: expect.stringContaining('ETCD_ENDPOINTS=http://10.0.0.1:2379') as string,
    });
    expect(JSON.stringify(made)).not.toMatch(/--host|--port|--uds|--tool-call-parser|127\.0\.0\.1/);
  });

  it.each<[string, Partial<Node>, string]>([
    ['llama-cpp', {}, "Dynamo's workers are vllm or sglang: name one in the field `engine`"],
    ['vllm', { port: 40_000 }, 'its worker reads its port as a number up to 32767'],
    [
      'vllm',
      { key: { kind: 'env', name: 'K' } },
      'NVIDIA Dynamo asks its workers for no key: leave the field `key` out',
    ],
  ])('with %s and %j is refused', (id, change, because) => {
    expect(commandOf(dynamo, id, change)).toEqual({ because });
  });
});

describe('the front', () => {
  it.each(DEPLOY_TARGETS)('of $id listens where clients come to, and nowhere unsaid', (target) => {
    const { plan } = planned('vllm');
    const front = frontCommand(
      target,
      target.planFront({
        model: plan.model,
        engineUrls: ['http://10.0.0.11:8000'],
        workload: makeWorkload('chat'),
        contextTokens: 1,
        slots: 1,
        place: FRONT,
      }),
      FRONT,
    );
    expect(front.url).toBe('http://10.0.0.1:30000');
    expect(front.command).toMatch(/host 10\.0\.0\.1 .*port 30000/);
    expect(front.command).not.toMatch(/\{|SIMULATED/);
  });
});
