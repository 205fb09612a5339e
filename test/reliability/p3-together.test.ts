/**
 * P3: sixteen CLIs at once on an empty home share one install and one engine; the one that started
 * it may be killed; and a killed guard leaves no lock behind.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { type CliOptions, type RunningCli, startCli } from '../support/cli.ts';
import { GuardedSession } from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { endAll, guardsOfHome, processesOfHome, until, untilEmpty } from '../support/processes.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';
import { writeTinyGguf } from '../support/tiny-gguf.ts';

const TOGETHER = 16;
const ROUNDS = isFullSize ? 20 : 2;
const RESTARTS = isFullSize ? 100 : 12;
const DEADLINE_MS = 240_000;
/** Sixteen starts of node on two busy cores take ten seconds. */
const SHARED_DEADLINE_MS = 90_000;
/** The engine is ready when the test says so: when as many hold the session as the case needs. */
const FAULTS = ['gated-load'];

const problem = process.platform === 'linux' ? null : 'engines are counted in /proc';

/** Another holder of the session, as a CLI that joined it: keeps the engine while we count. */
class Holder {
  leases = 0;
  /** What stood in the way; for the message when it never holds. */
  refusals = 0;
  #socket: Socket | null = null;
  #isEnded = false;
  readonly #control: string;

  constructor(control: string) {
    this.#control = control;
    this.#connect();
  }

  ask(): void {
    this.#socket?.write('{"command":"status"}\n');
  }

  end(): void {
    this.#isEnded = true;
    this.#socket?.destroy();
  }

  /** Again when refused: the socket's file is there a moment before anybody listens on it. */
  #connect(): void {
    const socket = connect({ path: this.#control });
    socket.on('error', () => {
      this.refusals += 1;
      this.#socket = null;
      if (!this.#isEnded) setTimeout(() => this.#connect(), 5);
    });
    socket.once('connect', () => {
      this.#socket = socket;
    });
    const lines = createInterface({ input: socket });
    // The error is told to both; the socket's own listener deals with it.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const event = JSON.parse(line) as { event: string; leases?: number };
      if (event.event === 'session') this.leases = event.leases ?? 0;
    });
  }
}

interface Held {
  readonly holder: Holder;
  readonly runFolder: string;
}

async function holdSession(home: string): Promise<Held> {
  const run = join(home, 'run');
  const find = (): string | undefined => {
    if (!existsSync(run)) return undefined;
    return readdirSync(run).find((key) => existsSync(join(run, key, 'c.sock')));
  };
  await until('a session', () => find() !== undefined, DEADLINE_MS);
  const runFolder = join(run, find() ?? '');
  return { holder: new Holder(join(runFolder, 'c.sock')), runFolder };
}

/** Engines that ever listened, by their logs. */
function enginesStarted(home: string): number {
  const folder = join(home, 'state', 'logs');
  const text = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  return text.split('\n').filter((line) => line.includes('I listening on')).length;
}

async function runTogether(suite: Suite, isStarterKilled: boolean): Promise<void> {
  using home = temporaryHome();
  const model = writeTinyGguf(join(home.path, 'tiny.gguf'));
  const prompt = 'What is the capital of Japan?';
  const args = ['generate', model, prompt, '--engine', 'fake', '--max-tokens', '16', '--yes'];
  const options: CliOptions = { home: home.path, faults: FAULTS, deadlineMs: DEADLINE_MS };
  const clis = Array.from({ length: TOGETHER }, () => startCli([...args, '--quiet'], options));
  try {
    const { holder, runFolder } = await holdSession(home.path);
    const isHeldBy = (count: number) => (): boolean => {
      holder.ask();
      return holder.leases >= count;
    };
    let killed: RunningCli | undefined;
    // All sixteen and we; or, before the starter is killed, one more than it and we.
    const wanted = isStarterKilled ? 3 : TOGETHER + 1;
    const isShared = isHeldBy(wanted);
    const ended = (): readonly RunningCli[] => clis.filter(({ child }) => child.exitCode !== null);
    await until(
      'all who share it',
      () => isShared() || ended().length > 0,
      SHARED_DEADLINE_MS,
    ).catch((thrown: unknown) => {
      const facts = { leases: holder.leases, refusals: holder.refusals, wanted };
      throw new Error(`${String(thrown)} ${JSON.stringify(facts)}`, { cause: thrown });
    });
    // The gate is shut, so that no CLI can have come to a good end.
    if (ended()[0] !== undefined) {
      throw new Error(`a CLI ended before the gate was open: ${ended()[0]?.output().stderr}`);
    }
    if (isStarterKilled) {
      const [guard] = guardsOfHome(home.path);
      killed = clis.find(({ pid }) => pid === guard?.parent);
      if (killed === undefined) throw new Error('the guard is no child of any CLI');
      killed.child.kill('SIGKILL');
    }
    writeFileSync(join(runFolder, 'gate'), '');
    const results = await Promise.all(
      clis.filter((cli) => cli !== killed).map(async (cli) => await cli.result),
    );
    const wrong = results.filter(
      ({ code, stdout }) => code !== 0 || stdout.trim() !== 'The capital of Japan is Tokyo.',
    );
    for (const { durationMs } of results) suite.duration(durationMs);
    const engines = enginesStarted(home.path);
    const installed = readdirSync(join(home.path, 'data', 'engines', 'fake')).filter(
      (name) => !name.endsWith('.lock'),
    );
    const kind = isStarterKilled ? 'starter killed' : 'unhurt';
    const answered = results.length - wrong.length;
    suite.count(`${kind}: ${answered} answers, ${engines} engine, ${installed.length} install`);
    holder.end();
    if (wrong[0] !== undefined) {
      const { code, stdout, stderr } = wrong[0];
      throw new Error(`${wrong.length} without the answer: exit ${code}, ${stdout}${stderr}`);
    }
    if (engines !== 1) throw new Error(`${engines} engines were started`);
    if (installed.length !== 1) throw new Error(`installed: ${installed.join(', ')}`);
    await untilEmpty(() => processesOfHome(home.path), 20_000);
  } finally {
    endAll(processesOfHome(home.path));
  }
}

test.runIf(runsHere('P3', problem))(
  'sixteen CLIs on an empty home share one install and one engine, and all answer',
  async () => {
    const suite = new Suite('p3-together');
    await suite.run(ROUNDS, { width: 1, deadlineMs: 900_000 }, async () => {
      await runTogether(suite, false);
    });
    await suite.run(ROUNDS, { width: 1, deadlineMs: 900_000 }, async () => {
      await runTogether(suite, true);
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(2 * ROUNDS);
  },
  1_900_000,
);

test.runIf(runsHere('P3 (locks)', problem))(
  'a session whose guard was killed at any point starts again at once',
  async () => {
    const suite = new Suite('p3-no-stale-lock');
    using home = temporaryHome();
    const key = randomBytes(4).toString('hex');
    const faults = ['tree'];
    await suite.run(RESTARTS, { width: 1, deadlineMs: 280_000 }, async () => {
      const first = new GuardedSession({ home: home.path, faults, key, maxTokens: 400 });
      await first.phase('spawn', 30_000);
      await new Promise((resolve) => setTimeout(resolve, suite.random() * 120));
      first.killGuard();
      first.killStarter();
      const begun = performance.now();
      const second = new GuardedSession({ home: home.path, faults: [], key, maxTokens: 4 });
      try {
        await second.phase('done', 30_000);
        suite.duration(performance.now() - begun);
        await second.event('ready', 30_000);
        const left = first.survivors();
        if (left.length > 0) throw new Error(`${left.length} processes of the first are left`);
      } finally {
        second.killStarter();
        await until('an empty tree', () => second.survivors().length === 0, 10_000);
        endAll(first.survivors());
      }
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(RESTARTS);
  },
  300_000,
);
