/**
 * Answers: what is typed on each machine of a deployment: the engine's, the worker's or the front's
 * own command line with addresses filled in, its key as a reference, and how to see that it works.
 */
import type { DeployTarget, Place } from '../engines/deploy/target.ts';
import type { Engine, EnginePlan } from '../engines/engine.ts';
import { commandLine } from '../engines/shared/command-line.ts';
import { fillPlaceholders } from '../engines/shared/placeholders.ts';
import { keyForShell, placeText, type Node } from './nodes.ts';

/** Prometheus pages of fronts; nothing else of ours listens there. */
const METRICS_PORT = 29_000;

export interface NodeCommand {
  /** For a shell: variables, then the program and its arguments. */
  readonly command: string;
  readonly url: string;
  /** Ends with 0 when it can be used. */
  readonly health: string;
}

type Program = Pick<Engine, 'id' | 'command' | 'keyVariable'>;

/** What a node runs, or why it cannot be part of this deployment. */
export function nodeCommand(
  target: DeployTarget,
  { engine, plan }: { readonly engine: Program; readonly plan: EnginePlan },
  { node, front }: { readonly node: Node; readonly front: Place },
): NodeCommand | { readonly because: string } {
  if (plan.listen !== 'tcp') return { because: 'it listens on no port' };
  if (target.worker !== null) {
    if (node.key !== null) {
      return { because: `${target.name} asks its workers for no key: leave the field \`key\` out` };
    }
    const worker = target.worker({ plan, node, front });
    if (!worker.isOk) return { because: worker.because };
    const { args, environment, command, healthPath } = worker;
    const readiness = { ...plan.readiness, path: healthPath };
    return filled({ id: engine.id, command }, { ...plan, args, environment, readiness }, node);
  }
  if (node.key === null) return filled(engine, plan, node);
  if (engine.keyVariable === undefined) {
    return { because: 'its engine reads no key from a variable: leave the field `key` out' };
  }
  return filled(engine, plan, node, [`${engine.keyVariable}=${keyForShell(node.key)}`]);
}

export function frontCommand(target: DeployTarget, plan: EnginePlan, place: Place): NodeCommand {
  return filled(target, plan, place);
}

function filled(
  program: Program,
  plan: EnginePlan,
  place: Place,
  secrets: readonly string[] = [],
): NodeCommand {
  const values = {
    '{host}': place.host,
    '{port}': String(place.port),
    '{metrics-port}': String(METRICS_PORT),
    '{served-name}': plan.model.name,
  };
  // A folder that is kept between starts is the node's own choice.
  const variables = Object.entries(plan.environment)
    .filter(([, value]) => !value.includes('{cache}'))
    .map(([name, value]) => `${name}=${value}`);
  // A program of this machine's own is another one there.
  const words = [...variables, ...secrets, commandLine(program, { ...plan, executable: null })];
  const url = `http://${placeText(place)}`;
  return {
    command: words.map((word) => fillPlaceholders(word, values)).join(' '),
    url,
    health: `curl -sf ${url}${plan.readiness.path}`,
  };
}
