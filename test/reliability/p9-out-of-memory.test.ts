/**
 * P9: an engine that ran out of memory, one that somebody killed, one that crashed and one that
 * exited with 137 are told apart: the confusion matrix is diagonal.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startCli } from '../support/cli.ts';
import {
  GuardedSession,
  readLedger,
  type SessionLine,
  sessionsFolder,
} from '../support/guarded-session.ts';
import { temporaryHome } from '../support/home.ts';
import { preparedHome } from '../support/prepared-home.ts';
import {
  endAll,
  enginesOfHome,
  processesOfHome,
  processesWithToken,
  until,
} from '../support/processes.ts';
import { memoryGroup, memoryGroupProblem } from '../support/memory-group.ts';
import { isFullSize, runsHere, Suite } from '../support/suite.ts';

const TRIALS_EACH = isFullSize ? 25 : 3;
const DEADLINE_MS = 20_000;
/** Three times what guard, starter and engine need; the engine asks for eight times that. */
const LIMIT_BYTES = 128 * 1024 * 1024;

const CAUSES = ['oom', 'oom-load', 'killed', 'crash', 'exit-137'] as const;
type Cause = (typeof CAUSES)[number];

const FAULT: Record<Cause, readonly string[]> = {
  oom: ['oom=1024'],
  // The engine asks for too much while it loads, before it ever answered.
  'oom-load': ['load-memory=1024'],
  killed: ['hang-decode=3'],
  crash: ['crash-after=3'],
  'exit-137': ['exit-137=3'],
};

/** What the guard says happened, in the words of this test. */
function named(exited: SessionLine): string {
  if (exited['isOom'] === true) return 'oom';
  if (exited['code'] === 137) return 'exit-137';
  const signal = exited['signal'];
  if (signal === 'SIGKILL' || signal === 9) return 'killed';
  if (signal === 'SIGSEGV' || signal === 11) return 'crash';
  return JSON.stringify(exited);
}

const problem = memoryGroupProblem();

test.runIf(runsHere('P9', problem))(
  'tells a lack of memory from a kill, a crash and an exit code of 137',
  async () => {
    const suite = new Suite('p9-out-of-memory');
    const matrix: Record<string, number> = {};
    using home = temporaryHome();
    await suite.run(
      TRIALS_EACH * CAUSES.length,
      { width: 1, deadlineMs: 280_000 },
      async (index) => {
        const cause = CAUSES[index % CAUSES.length] ?? 'oom';
        using group = memoryGroup(LIMIT_BYTES);
        const session = new GuardedSession({
          home: home.path,
          faults: FAULT[cause],
          maxTokens: 16,
          prefix: group.prefix,
        });
        try {
          if (cause === 'killed') {
            const { enginePid } = await engineOf(session);
            await session.phase('decode', DEADLINE_MS);
            process.kill(enginePid, 'SIGKILL');
          }
          const begun = performance.now();
          const exited = await session.event('exited', DEADLINE_MS);
          suite.duration(performance.now() - begun);
          const name = named(exited);
          const cell = `${cause} → ${name}`;
          matrix[cell] = (matrix[cell] ?? 0) + 1;
          const wanted = cause === 'oom-load' ? 'oom' : cause;
          if (name !== wanted) throw new Error(`${cell}: ${JSON.stringify(exited)}`);
          if (exited['isWanted'] === true) throw new Error(`${cause} was called a wanted stop`);
        } finally {
          session.killStarter();
          await until('an empty tree', () => session.survivors().length === 0, 10_000).finally(() =>
            endAll(processesWithToken(session.token)),
          );
        }
      },
    );
    suite.fact('matrix', matrix);
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(TRIALS_EACH * CAUSES.length);
  },
  300_000,
);

async function engineOf(session: GuardedSession): Promise<{ enginePid: number }> {
  const spawned = await session.event('spawned', DEADLINE_MS);
  return { enginePid: Number(spawned['pid']) };
}

/** Room for node, guard and engine; what the engine asks for is more than all of it. */
const CLI_LIMIT_BYTES = 512 * 1024 * 1024;

/** How the CLI must name each cause: the code, and a word of the message. */
const WORDS: Record<Cause, readonly [string, RegExp]> = {
  oom: ['HL_ENGINE_OUT_OF_MEMORY', /memory/],
  'oom-load': ['HL_ENGINE_OUT_OF_MEMORY', /memory/],
  killed: ['HL_ENGINE_EXITED', /SIGKILL/],
  crash: ['HL_ENGINE_EXITED', /SIGSEGV/],
  'exit-137': ['HL_ENGINE_EXITED', /exit code 137/],
};

test.runIf(runsHere('P9 (CLI)', problem))(
  'the CLI names each of these causes in its error',
  async () => {
    const suite = new Suite('p9-out-of-memory-cli');
    using prepared = await preparedHome();
    await suite.run(CAUSES.length, { width: 1, deadlineMs: 200_000 }, async (index) => {
      const cause = CAUSES[index] ?? 'oom';
      using home = prepared.trial();
      using group = memoryGroup(CLI_LIMIT_BYTES);
      const cli = startCli(['generate', home.model, 'hi', '--engine', 'fake', '--json', '--yes'], {
        home: home.path,
        faults: FAULT[cause],
        prefix: group.prefix,
        deadlineMs: 60_000,
      });
      if (cause === 'killed') {
        await until('a ready session', () => isReady(home.path), DEADLINE_MS);
        for (const { pid } of enginesOfHome(home.path)) process.kill(pid, 'SIGKILL');
      }
      const { code, stdout, stderr } = await cli.result;
      const left = processesOfHome(home.path);
      endAll(left);
      const [name, word] = WORDS[cause];
      suite.fact(cause, /HL_[A-Z_]+/.exec(stdout)?.[0] ?? stderr.slice(-200));
      if (code !== 6 || !stdout.includes(name) || !word.test(stdout)) {
        throw new Error(`${cause}: exit ${code}: ${stdout}${stderr}`);
      }
      if (left.length > 0) throw new Error(`${cause}: ${left.length} processes are left`);
    });
    const result = suite.finish();
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(CAUSES.length);
  },
  300_000,
);

/** The one-token proof is done, and the answer has begun or will. */
function isReady(home: string): boolean {
  const folder = sessionsFolder(home);
  if (!existsSync(folder)) return false;
  return readdirSync(folder).some(
    (name) => name.endsWith('.json') && readLedger(join(folder, name))?.['state'] === 'ready',
  );
}
