/** `hyperllama ps`: the sessions that run, after the dead ones have been cleared away. */
import type { Command } from 'commander';
import { formatBytes, formatDuration } from '../base/units.ts';
import { formatAddress } from '../base/http.ts';
import { knownVersion } from '../engines/shared/versions.ts';
import { runningSessions } from '../launch/fleet.ts';
import { modelServed } from '../launch/ledger.ts';
import { unmanagedServers } from '../launch/unmanaged.ts';
import { namesShown } from './discover.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

/** Device, memory and age of a server that is not ours. */
const UNKNOWN = ['unknown', 'unknown', 'unknown'] as const;

export default function command(): Command {
  return createCommand('ps', 'what runs').action(async (options: CommonOptions) => {
    const mistakes: string[] = [];
    const context = await createContext(options, ({ message }) => mistakes.push(message));
    const { output } = context;
    const { sessions, reaped } = await runningSessions(context);
    const servers = await unmanagedServers(context);
    if (output.isJson) {
      output.json({
        schema: 'hyperllama.ps/1',
        sessions: sessions.map(({ entry, live }) => ({
          key: entry.key,
          engine: entry.about.engine,
          version: knownVersion(entry.about.version),
          model: entry.about.model,
          format: entry.about.format ?? null,
          quantization: entry.about.quantization ?? null,
          adapter: entry.about.adapter ?? null,
          draft: entry.about.draft ?? null,
          device: entry.about.device,
          state: live?.state ?? entry.state,
          enginePid: live?.enginePid ?? entry.engine?.pid ?? null,
          guardPid: entry.guard.pid,
          address: formatAddress(entry.address),
          contextTokens: entry.about.contextTokens,
          slots: entry.about.slots,
          memoryBytes: entry.about.memoryBytes,
          startMs: entry.startMs,
          leases: live?.leases ?? null,
          keepAliveMs: live?.keepAliveMs ?? null,
          startedAt: entry.startedAt,
          logFile: entry.logFile,
        })),
        unmanaged: servers,
        reaped,
      });
      return;
    }
    for (const mistake of mistakes) output.note(` ${mistake}`);
    if (reaped.sessions > 0) {
      output.note(` cleared ${reaped.sessions} dead sessions with ${reaped.processes} processes`);
    }
    if (reaped.failure !== null) {
      output.note(` dead sessions could not be cleared: ${reaped.failure}`);
    }
    if (sessions.length === 0 && servers.length === 0) {
      output.text('nothing is running\n');
      return;
    }
    const rows = sessions.map(({ entry, live }) => [
      entry.key,
      `${entry.about.engineName} ${entry.about.version}`,
      modelServed(entry.about),
      [entry.about.format ?? 'unknown', entry.about.quantization ?? ''].join(' ').trim(),
      live?.state ?? entry.state,
      entry.about.device,
      formatBytes(entry.about.memoryBytes),
      formatDuration(Date.now() - Date.parse(entry.startedAt)),
    ]);
    // Not ours: nothing is known of what it computes on, holds, or since when.
    const others = servers.map(({ engine, url, state, models }) => [
      'unmanaged',
      `${engine} (${url})`,
      namesShown(models),
      'unknown',
      state,
      ...UNKNOWN,
    ]);
    output.text(
      await output.table(
        ['SESSION', 'ENGINE', 'MODEL', 'FORMAT', 'STATE', 'DEVICE', 'MEMORY', 'AGE'],
        [...rows, ...others],
      ),
    );
  });
}
