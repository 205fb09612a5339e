/** `hyperllama engines list --discover`: the servers that answer here, and how each is attached. */
import { join } from 'node:path';
import type { Config } from '../base/config.ts';
import type { Context } from '../base/context.ts';
import { discoverServers, type Discovered } from '../launch/discover.ts';
import { LOOPBACK } from '../launch/ports.ts';
import { isLoopback } from '../plan/nodes.ts';

/** More names make a row nobody reads. */
const MODELS_SHOWN_MAX = 5;

export async function showDiscovered(context: Context): Promise<void> {
  const { output, paths, config, signal } = context;
  const servers = await discoverServers(signal);
  if (output.isJson) {
    return output.json({
      schema: 'hyperllama.discover/1',
      servers: servers.map(({ name, url, look }) => ({
        name,
        url,
        dialect: look.kind === 'models' ? 'openai' : null,
        models: look.kind === 'models' ? look.models : null,
        needsKey: look.kind === 'locked',
      })),
    });
  }
  if (servers.length === 0) {
    output.text('no server answers on the usual ports of this machine\n');
    return;
  }
  const rows = servers.map((server) => [server.url, dialectWords(server), modelWords(server)]);
  output.text(await output.table(['SERVER', 'DIALECT', 'MODELS'], rows));
  const usable = servers.filter(({ look }) => look.kind !== 'foreign');
  const others = notAttached(usable, config.custom.value);
  if (others.length === 0) return;
  output.text(
    `\nTo attach, in \`${join(paths.config, 'config.yaml')}\`:\n\n${configLines(others)}`,
  );
}

/** Those that the configuration does not name, by whichever name this machine has for itself. */
export function notAttached(
  servers: readonly Discovered[],
  custom: Config['custom']['value'],
): readonly Discovered[] {
  const attached = Object.values(custom).flatMap((settings) => {
    if (settings.kind !== 'server' || settings.address.kind !== 'tcp') return [];
    const { host, port } = settings.address;
    const isHere = isLoopback(host) || host === '[::1]';
    return isHere ? [`http://${LOOPBACK}:${port}${settings.base}`] : [];
  });
  return servers.filter(({ url }) => !attached.includes(url));
}

function dialectWords({ look }: Discovered): string {
  if (look.kind === 'models') return 'openai';
  return look.kind === 'locked' ? 'unknown, asks for a key' : 'unknown';
}

function modelWords({ look }: Discovered): string {
  if (look.kind === 'foreign') return look.because;
  if (look.kind === 'locked') return '';
  return namesShown(look.models);
}

export function namesShown(names: readonly string[]): string {
  const shown = names.slice(0, MODELS_SHOWN_MAX);
  const more = names.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** As it can be pasted; a name from a server is quoted, because it may hold anything. */
export function configLines(servers: readonly Discovered[]): string {
  const lines = servers.flatMap(({ name, url, look }) => {
    const models = look.kind === 'models' ? look.models : [];
    const [first] = models;
    return [
      `    ${name}:`,
      `      url: ${url}`,
      ...(look.kind === 'locked' ? ['      key: $SERVER_KEY'] : []),
      ...(models.length > 1 && first !== undefined
        ? [`      model: ${JSON.stringify(first)}`]
        : []),
    ];
  });
  return `engines:\n  custom:\n${lines.join('\n')}\n`;
}
