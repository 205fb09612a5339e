/** Answers: which of the configured servers that are not ours answer just now, for `ps`. */
import type { Context } from '../base/context.ts';
import { lookAt, readKey, type Look } from './servers.ts';

export interface UnmanagedServer {
  readonly engine: string;
  readonly url: string;
  readonly state: 'answers' | 'wants a key' | 'no model list' | 'away';
  readonly models: readonly string[];
}

/** `ps` is a glance: a server too busy to list its models in a second is shown as away. */
const GLANCE_DEADLINE_MS = 1000;

const STATES = {
  models: 'answers',
  locked: 'wants a key',
  foreign: 'no model list',
  away: 'away',
} as const satisfies Record<Look['kind'], UnmanagedServer['state']>;

export async function unmanagedServers(context: Context): Promise<readonly UnmanagedServer[]> {
  const { config, env, signal } = context;
  const servers = Object.entries(config.custom.value).flatMap(([engine, settings]) =>
    settings.kind === 'server' ? [{ engine, settings }] : [],
  );
  return await Promise.all(
    servers.map(async ({ engine, settings }) => {
      // One that cannot be sent shows as a server that wants a key; whoever uses it is told why.
      const { key } = readKey(settings, env);
      const headers: Record<string, string> =
        key === null ? {} : { authorization: `Bearer ${key}` };
      const look = await lookAt(settings, { headers, deadlineMs: GLANCE_DEADLINE_MS, signal });
      const models = look.kind === 'models' ? look.models : [];
      return { engine, url: settings.url, state: STATES[look.kind], models };
    }),
  );
}
