/**
 * Answers: what is typed on each machine of a deployment: the engine's or the front's own command
 * line with addresses filled in, its key as a reference, and how to see that it works.
 */
import { commandLine } from '../engines/shared/command-line.ts';
import { fillPlaceholders } from '../engines/shared/placeholders.ts';
import type { Engine, EnginePlan } from '../engines/engine.ts';
import { keyForShell, placeText, type KeyReference, type Place } from './nodes.ts';

/** Prometheus pages of fronts; nothing else of ours listens there. */
const METRICS_PORT = 29_000;

export interface NodeCommand {
  /** For a shell: variables, then the program and its arguments. */
  readonly command: string;
  readonly url: string;
  /** Says 200 when it can be used. */
  readonly health: string;
}

export function nodeCommand(
  service: Pick<Engine, 'id' | 'command' | 'keyVariable'>,
  plan: EnginePlan,
  { place, key }: { readonly place: Place; readonly key: KeyReference | null },
): NodeCommand {
  const url = `http://${placeText(place)}`;
  const values = {
    '{host}': place.host,
    '{port}': String(place.port),
    '{metrics-port}': String(METRICS_PORT),
    '{served-name}': plan.model.name,
  };
  // A program of this machine's own is another one there.
  const there = { ...plan, executable: null };
  const variables = Object.entries(plan.environment)
    .filter(([, value]) => !value.includes('{cache}'))
    .map(([name, value]) => `${name}=${value}`);
  const secret =
    key === null || service.keyVariable === undefined
      ? []
      : [`${service.keyVariable}=${keyForShell(key)}`];
  const words = [...variables, ...secret, commandLine(service, there)];
  const bearer = key === null ? '' : ` -H "Authorization: Bearer "${keyForShell(key)}`;
  return {
    command: words.map((word) => fillPlaceholders(word, values)).join(' '),
    url,
    health: `curl -sf${bearer} ${url}${plan.readiness.path}`,
  };
}
