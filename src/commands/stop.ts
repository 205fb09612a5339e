/** `hyperllama stop`: ends sessions by key, model or engine; all of them with `--all`. */
import type { Command } from 'commander';
import { fail } from '../base/errors.ts';
import { modelServed } from '../launch/ledger.ts';
import { runningSessions, stopSession, type RunningSession } from '../launch/fleet.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

interface Options extends CommonOptions {
  readonly all?: boolean;
}

export default function command(): Command {
  return createCommand('stop', 'end what runs')
    .argument('[session...]', 'session key, model or engine id, as `ps` shows them')
    .option('--all', 'end every session')
    .action(async (names: readonly string[], options: Options) => {
      // What runs can be stopped, whatever the configuration says.
      const context = await createContext(options, () => undefined);
      const { output } = context;
      if (names.length === 0 && options.all !== true) {
        fail('HL_USAGE', { problem: '`stop` needs a session, or `--all`', command: 'stop' });
      }
      const { sessions } = await runningSessions(context);
      const chosen = options.all === true ? sessions : chooseSessions(names, sessions);
      const stopped = await Promise.all(
        chosen.map(async ({ entry }) => ({ entry, isStopped: await stopSession(entry) })),
      );
      if (stopped.some(({ isStopped }) => !isStopped)) process.exitCode = 1;
      if (output.isJson) {
        return output.json({
          schema: 'hyperllama.stop/1',
          sessions: stopped.map(({ entry: { key, about }, isStopped }) => ({
            key,
            engine: about.engine,
            model: about.model,
            adapter: about.adapter ?? null,
            draft: about.draft ?? null,
            isStopped,
          })),
        });
      }
      if (stopped.length === 0) output.text('nothing is running\n');
      for (const { entry, isStopped } of stopped) {
        const { key, about } = entry;
        output.text(
          `${isStopped ? 'stopped' : 'did not end in time:'} ${key} (${about.engine}, ${modelServed(about)})\n`,
        );
      }
    });
}

function chooseSessions(
  names: readonly string[],
  sessions: readonly RunningSession[],
): readonly RunningSession[] {
  const chosen = new Set<RunningSession>();
  for (const name of names) {
    const matches = sessions.filter(({ entry }) =>
      [entry.key, entry.about.model, entry.about.engine, modelServed(entry.about)].includes(name),
    );
    if (matches.length === 0) {
      const running = sessions.map(({ entry }) => entry.key);
      return fail('HL_SESSION_NOT_FOUND', { session: name, running });
    }
    for (const match of matches) chosen.add(match);
  }
  return [...chosen];
}
