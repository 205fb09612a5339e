/**
 * The JSON contracts that scripts rely on: names, types and units of every field. More fields are
 * welcome, a missing or renamed one is a break.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FAKE_ENGINE, type CliResult } from '../support/cli.ts';
import { preparedHome, type PreparedHome, type TrialHome } from '../support/prepared-home.ts';
import { startAsking, written } from './asking.ts';
import { cli } from './transcript.ts';

const text = z.string().min(1);
const bytes = z.number().int().nonnegative();
const ms = z.number().nonnegative();
const reason = z.object({
  code: z.string().regex(/^[a-zA-Z0-9-]+$/),
  because: text,
  hint: text.nullable(),
});
const ENGINE_IDS = 'llama-cpp vllm max mlx sglang exllamav3 exllamav2 tensorrt-llm dynamo'.split(
  ' ',
);

const accelerator = z.object({
  vendor: text,
  name: text,
  memoryBytesTotal: bytes.nullable(),
  memoryBytesFree: bytes.nullable(),
  memoryKind: z.enum(['dedicated', 'unified']).nullable(),
  driver: text.nullable(),
  computeCapability: text.nullable(),
  source: text,
});

const machine = z.object({
  os: z.object({ platform: text.nullable(), name: text.nullable() }),
  cpu: z.object({
    model: text.nullable(),
    architecture: text.nullable(),
    coresPhysical: bytes.nullable(),
    coresLogical: bytes.nullable(),
    isa: z.array(text),
  }),
  memory: z.object({
    bytesTotal: bytes.nullable(),
    bytesAvailable: bytes.nullable(),
    bytesLimit: bytes.nullable(),
  }),
  accelerators: z.array(accelerator),
  disk: z.object({ bytesFree: bytes.nullable() }),
});

const engineRow = z.object({
  id: text,
  name: text,
  installed: z.boolean(),
  version: text.nullable(),
  usable: z.boolean(),
  reasons: z.array(reason),
});

const info = z.object({
  schema: z.literal('hyperllama.info/1'),
  machine,
  engines: z.array(engineRow),
  decisions: z.array(
    z.object({ workload: text, engine: text.nullable(), because: z.array(reason).min(1) }),
  ),
  model: text,
});

const onePlan = z.object({
  decision: z.object({
    engine: text,
    because: z.array(reason).min(1),
    rejected: z.array(z.object({ engine: text, reasons: z.array(reason).min(1) })),
    basis: z.enum(['measured', 'tree']),
  }),
  plan: z.object({
    engine: z.object({ id: text, version: text.nullable() }),
    model: z.object({ ref: text }),
    args: z.array(
      z.object({ flag: text, value: z.string().nullable(), because: text, origin: text }),
    ),
    environment: z.record(z.string(), z.string()),
    listen: z.enum(['unix', 'tcp']),
    fingerprint: z.string().regex(/^[0-9a-f]{16}$/),
  }),
  memory: z.object({
    weightsBytes: bytes,
    kvCacheBytes: bytes,
    overheadBytes: bytes,
    basis: z.enum(['measured', 'learned', 'formula']),
  }),
});
const plan = onePlan.extend({ schema: z.literal('hyperllama.plan/1') });
const plans = z.object({ schema: z.literal('hyperllama.plan/1'), plans: z.array(onePlan).min(2) });

const generate = z.object({
  schema: z.literal('hyperllama.generate/1'),
  text: z.string(),
  reasoning: z.string().nullable(),
  finishReason: z.enum(['stop', 'length', 'tool_calls', 'cancelled', 'other']),
  engine: z.object({ id: text, version: text.nullable() }),
  model: z.object({
    ref: text,
    format: text,
    quantization: text.nullable(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable(),
  }),
  usage: z.object({ promptTokens: bytes.nullable(), outputTokens: bytes }),
  timing: z.object({
    startMs: ms,
    ttftMs: ms.nullable(),
    tpotMs: ms.nullable(),
    totalMs: ms,
  }),
  warnings: z.array(z.object({ message: text })),
  decision: z.object({ because: z.array(reason).min(1) }),
});

const engines = z.object({
  schema: z.literal('hyperllama.engines/1'),
  engines: z.array(
    engineRow.extend({
      newest: text.nullable(),
      bytesOnDisk: bytes.nullable(),
      bytesToInstall: bytes.nullable(),
    }),
  ),
  others: z.array(
    z.object({
      id: text,
      name: text,
      version: text,
      bytesOnDisk: bytes.nullable(),
      path: text,
      purpose: text,
    }),
  ),
});

const bench = z.object({
  schema: z.literal('hyperllama.bench/1'),
  manifest: z.object({ version: text, machine, date: z.iso.datetime(), argv: z.array(z.string()) }),
  cells: z
    .array(
      z.object({
        engine: z.object({ id: text, version: text.nullable() }),
        iterations: z
          .array(
            z.object({
              ttftMs: ms.nullable(),
              tpotMs: ms.nullable(),
              totalMs: ms,
              promptTokens: bytes.nullable(),
              outputTokens: bytes,
            }),
          )
          .length(2),
        start: z.object({ downloadMs: ms, installMs: ms, loadMs: ms.nullable() }),
        memory: z.object({ weightsBytes: bytes, kvCacheBytes: bytes }),
      }),
    )
    .length(1),
  comparisons: z.array(z.unknown()),
});

const list = z.object({
  schema: z.literal('hyperllama.list/1'),
  models: z.array(
    z.object({ ref: text, formats: z.array(text), bytesOnDisk: bytes.nullable(), origin: text }),
  ),
});

const ps = z.object({
  schema: z.literal('hyperllama.ps/1'),
  sessions: z.array(
    z.object({
      key: z.string().regex(/^[0-9a-f]{8}$/),
      engine: text,
      version: text.nullable(),
      model: text,
      format: text.nullable(),
      quantization: text.nullable(),
      state: z.enum(['starting', 'ready', 'stopping']),
      enginePid: z.number().int().positive().nullable(),
      guardPid: z.number().int().positive(),
      address: text,
      memoryBytes: bytes,
      startMs: ms.nullable(),
      startedAt: z.iso.datetime(),
      logFile: text,
    }),
  ),
});

const doctor = z.object({
  schema: z.literal('hyperllama.doctor/1'),
  findings: z
    .array(z.object({ code: text, ok: z.boolean(), because: text, hint: text.nullable() }))
    .min(4),
});

const error = z.object({
  schema: z.literal('hyperllama.error/1'),
  error: z.object({
    code: z.string().regex(/^HL_[A-Z_]+$/),
    message: text,
    hint: text.nullable(),
    details: z.record(z.string(), z.unknown()),
    exitCode: z.number().int().positive(),
  }),
});

let prepared: PreparedHome;
let home: TrialHome;
beforeAll(async () => {
  prepared = await preparedHome();
  home = prepared.trial();
});
afterAll(() => {
  home[Symbol.dispose]();
  prepared[Symbol.dispose]();
});

/** The one object on stdout, as the contract has it; everything else would break a script. */
function read<T>(contract: z.ZodType<T>, result: CliResult): T {
  const parsed = contract.safeParse(JSON.parse(result.stdout));
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  return parsed.data;
}

const run = async (...args: readonly string[]): Promise<CliResult> =>
  await cli(args, { home: home.path });
const runFake = async (...args: readonly string[]): Promise<CliResult> =>
  await cli(args, { home: home.path, env: { HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE } });
const recorded = (name: string): readonly string[] => [
  '--machine',
  fileURLToPath(new URL(`../fixtures/machines/${name}.json`, import.meta.url)),
];

describe('--json of', () => {
  it('info keeps its contract, here and on recorded machines', async () => {
    const here = read(info, await run('info', '--json'));
    expect(here.engines.map(({ id }) => id).sort()).toEqual([...ENGINE_IDS].sort());
    const h200 = read(info, await run('info', '--json', ...recorded('synthetic-h200')));
    expect(h200.machine.accelerators[0]?.computeCapability).toBe('9.0');
    read(info, await run('info', '--json', ...recorded('synthetic-all-unknown')));
  });

  it('info is a machine that --machine takes', async () => {
    const { writeFileSync } = await import('node:fs');
    const file = `${home.path}/machine.json`;
    writeFileSync(file, (await run('info', '--json')).stdout);
    const again = read(info, await run('info', '--json', '--machine', file));
    expect(again.machine.cpu.isa.length).toBeGreaterThan(0);
  });

  it('plan keeps its contract, for one workload and for several', async () => {
    const one = read(plan, await run('plan', 'smollm2:135m', '--json'));
    expect(one.decision.engine).toBe(one.plan.engine.id);
    const names = ['--for', 'chat', '--for', 'batch'];
    const two = read(plans, await run('plan', 'smollm2:135m', '--json', ...names));
    expect(two.plans).toHaveLength(2);
  });

  it('generate keeps its contract, and nothing but it is on stdout', async () => {
    const asked = ['What is the capital of Japan?', '--engine', 'fake', '--json'];
    const result = await runFake('generate', home.model, ...asked);
    const answer = read(generate, result);
    expect(answer).toMatchObject({
      text: 'The capital of Japan is Tokyo.',
      finishReason: 'stop',
      usage: { promptTokens: 14, outputTokens: 7 },
    });
    expect(answer.timing.ttftMs).toBeLessThanOrEqual(answer.timing.totalMs);
    expect(result.stderr).toBe('');
  });

  it('generate --dry-run is that of plan', async () => {
    const asked = ['hi', '--engine', 'fake', '--dry-run', '--json'];
    const dry = read(plan, await runFake('generate', home.model, ...asked));
    expect(dry.decision.engine).toBe('fake');
  });

  it('engines keeps its contract: an unusable one always has a reason', async () => {
    const rows = read(engines, await run('engines', '--json')).engines;
    expect(rows.map(({ id }) => id).sort()).toEqual([...ENGINE_IDS].sort());
    expect(rows.filter(({ usable, reasons }) => usable === reasons.length > 0)).toEqual([]);
    expect(rows.find(({ id }) => id === 'llama-cpp')?.bytesToInstall).toBeGreaterThan(0);
  });

  it('bench keeps its contract: one cell, as many iterations as asked', async () => {
    const asked = ['-i', '2', '--warmup', '1', '--max-tokens', '8', '--engine', 'fake', '--json'];
    const { cells } = read(bench, await runFake('bench', home.model, ...asked));
    expect(cells[0]?.iterations.map(({ outputTokens }) => outputTokens)).toEqual([8, 8]);
  });

  it('list keeps its contract', async () => {
    expect(read(list, await run('list', '--json')).models).toEqual([]);
  });

  it('ps keeps its contract while something runs', async () => {
    const running = startAsking(home, { faults: ['hang-decode=2'] });
    await written(running, 'stdout', 'two');
    const { sessions } = read(ps, await run('ps', '--json'));
    expect(sessions).toMatchObject([{ engine: 'fake', state: 'ready' }]);
    running.child.kill('SIGINT');
    await running.result;
    expect(read(ps, await run('ps', '--json')).sessions).toEqual([]);
  });

  it('doctor keeps its contract', async () => {
    const { findings } = read(doctor, await run('doctor', '--json'));
    expect(findings.every(({ ok, hint }) => ok || hint !== null)).toBe(true);
  });

  it.each([
    ['nonsense'],
    ['plan', 'no-such-model'],
    ['generate'],
    ['generate', 'm', 'hi', '--seed', 'x'],
    ['stop', '0123abcd'],
    ['engines', 'install', 'exllamav3'],
  ])(
    'an error keeps its contract, and its exit code is that of the process: %s %s',
    async (...args) => {
      const words = args.filter((word) => word !== undefined);
      const result = await run(...words, '--json');
      expect(read(error, result).error.exitCode).toBe(result.code);
      expect(result.stderr).toBe('');
    },
  );

  it.each([
    ['status', []],
    ['show', ['smollm2:135m']],
    ['config', []],
    ['engines', ['--json', 'list']],
    ['stop', ['--all']],
  ] as const)('%s names its schema', async (name, args) => {
    const words = name === 'status' ? [] : [name, ...args];
    const result = await run(...words, '--json');
    expect(JSON.parse(result.stdout)).toMatchObject({ schema: `hyperllama.${name}/1` });
  });
});
