/** `hyperllama deploy --nodes`: checks a list of machines and prints what to run on each. */
import { dirname, resolve } from 'node:path';
import type { Context } from '../base/context.ts';
import { errnoOf, fail } from '../base/errors.ts';
import { fs } from '../base/fs.ts';
import type { DeployTarget } from '../engines/deploy/target.ts';
import { reach, type Reach } from '../launch/reach.ts';
import { frontCommand, nodeCommand, type NodeCommand } from '../plan/node-commands.ts';
import {
  isLoopback,
  keyForShell,
  keyText,
  placeText,
  readNodeList,
  type Node,
  type NodeList,
} from '../plan/nodes.ts';
import { choose, type Choice } from '../pipeline.ts';
import type { Workload } from '../workloads/workload.ts';
import { readMachineFile } from './machine-file.ts';

export interface NodesWanted {
  readonly model: string;
  readonly target: DeployTarget;
  readonly workload: Workload;
  readonly engineId: string | null;
  readonly file: string;
}

/** A list is written by hand. */
const FILE_BYTES_MAX = 1024 * 1024;

interface NodeStep extends NodeCommand {
  readonly node: Node;
  readonly choice: Choice;
  readonly reach: Reach;
  readonly remarks: readonly string[];
  /** Tells the front of it, where it has a key. */
  readonly join: string | null;
}

/** @throws HL_NODES_INVALID, HL_NODES_UNUSABLE */
export async function deployNodes(wanted: NodesWanted, context: Context): Promise<void> {
  const { target, file } = wanted;
  const list = await readList(file);
  const reached = await reachAll(list, context);
  const steps: NodeStep[] = [];
  for (const [index, node] of list.nodes.entries()) {
    const state = reached[index];
    if (state !== undefined) steps.push(await stepFor(node, state, { wanted, list, context }));
  }
  const [first] = steps;
  if (first === undefined) return;
  const withoutKey = steps.filter(({ node }) => node.key === null || target.join === null);
  const plan = target.planFront({
    model: first.choice.plan.model,
    engineUrls: withoutKey.map(({ url }) => url),
    workload: wanted.workload,
    contextTokens: Math.min(...steps.map(({ choice }) => choice.plan.contextTokens)),
    slots: steps.reduce((slots, { choice }) => slots + choice.plan.slots, 0),
    place: list.front,
  });
  const front = frontCommand(target, plan, list.front);
  const { output } = context;
  const facts = { target, list, steps, front, version: plan.engine.version };
  if (output.isJson) output.json(nodesJson(facts));
  else output.text(nodesText(facts));
}

interface Facts {
  readonly target: DeployTarget;
  readonly version: string;
  readonly list: NodeList;
  readonly steps: readonly NodeStep[];
  readonly front: NodeCommand;
}

/** YAML, and so JSON too. */
async function readList(file: string): Promise<NodeList> {
  const invalid = (problem: string): never =>
    fail('HL_NODES_INVALID', { file, problems: [problem] });
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const code = errnoOf(error);
    if (code === null) throw error;
    return invalid(`cannot be read (${code})`);
  }
  if (text.length > FILE_BYTES_MAX) return invalid(`is larger than ${FILE_BYTES_MAX} bytes`);
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 50 });
  } catch (error) {
    return invalid(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
  }
  const read = await readNodeList(value);
  return 'list' in read ? read.list : fail('HL_NODES_INVALID', { file, problems: read.problems });
}

/** All at once: the list is as slow as its slowest machine. */
async function reachAll(
  { front, nodes }: NodeList,
  { signal }: Context,
): Promise<readonly Reach[]> {
  const [frontReach, ...reached] = await Promise.all(
    [front, ...nodes].map(async (place) => await reach(place, signal)),
  );
  const places = [{ ...front, name: 'front' }, ...nodes];
  const unusable = [frontReach, ...reached].flatMap((state, index) => {
    const place = places[index];
    if (place === undefined || (state?.kind !== 'unreachable' && state?.kind !== 'taken'))
      return [];
    return [{ name: place.name, address: placeText(place), because: state.because }];
  });
  if (signal.aborted) return fail('HL_CANCELLED', { phase: 'check' });
  if (unusable.length > 0) return fail('HL_NODES_UNUSABLE', { nodes: places.length, unusable });
  return reached;
}

async function stepFor(
  node: Node,
  state: Reach,
  {
    wanted,
    list,
    context,
  }: { readonly wanted: NodesWanted; readonly list: NodeList; readonly context: Context },
): Promise<NodeStep> {
  const file = node.machine === null ? null : resolve(dirname(wanted.file), node.machine);
  const choice = await choose(
    {
      model: wanted.model,
      workload: wanted.workload,
      engineId: node.engine ?? wanted.engineId,
      isToRun: false,
      machine: file === null ? null : await readMachineFile(file),
      listen: 'tcp',
    },
    context,
  );
  const planned = { engine: choice.decision.engine, plan: choice.plan };
  const { front } = list;
  const command = nodeCommand(wanted.target, planned, { node, front });
  if ('because' in command) {
    const problems = [`\`${node.name}\` (${planned.engine.name}): ${command.because}`];
    return fail('HL_NODES_INVALID', { file: wanted.file, problems });
  }
  const frontUrl = `http://${placeText(front)}`;
  const join =
    node.key === null
      ? null
      : (wanted.target.join?.({ frontUrl, engineUrl: command.url, key: keyForShell(node.key) }) ??
        null);
  return { ...command, join, node, choice, reach: state, remarks: remarksOn(node, state, choice) };
}

function remarksOn(node: Node, state: Reach, { plan }: Choice): readonly string[] {
  const remarks: string[] = [];
  if (state.kind === 'serving') {
    const { models, wantsKey } = state;
    if (wantsKey) remarks.push('an OpenAI server answers there already and wants a key');
    else if (models.includes(plan.model.name))
      remarks.push('serves this model already: nothing to start');
    else
      remarks.push(`serves \`${models.join('`, `')}\`, not \`${plan.model.name}\`: end it first`);
  }
  if (node.machine === null) remarks.push('planned as if it were this machine (field `machine`)');
  if (node.key === null && !isLoopback(node.host)) {
    remarks.push('has no key: whoever reaches this port may use it (field `key`)');
  }
  return remarks;
}

function nodesJson({ target, version, list, steps, front }: Facts): object {
  return {
    schema: 'hyperllama.deploy-nodes/1',
    target: { id: target.id, name: target.name, version },
    model: steps[0]?.choice.plan.model.name ?? null,
    front: { ...list.front, ...front, remarks: target.remarks(list.front) },
    nodes: steps.map(({ node, choice, reach: state, remarks, ...command }) => ({
      name: node.name,
      host: node.host,
      port: node.port,
      state: state.kind,
      engine: choice.plan.engine,
      because: choice.decision.because,
      ...command,
      key: node.key === null ? null : keyText(node.key),
      remarks,
    })),
  };
}

function nodesText({ target, version, list, steps, front }: Facts): string {
  const name = steps[0]?.choice.plan.model.name ?? '';
  const lines = [`${target.name} ${version} in front of ${steps.length} nodes, ${name}`];
  for (const { node, choice, remarks, command, health, join, reach: state } of steps) {
    lines.push(
      '',
      `${node.name}  ${placeText(node)}  ${choice.decision.engine.name}  ${state.kind === 'free' ? 'port free' : 'answers'}`,
      ` run     ${command}`,
      ` health  ${health}`,
      ...(node.key === null ? [] : [` key     ${keyText(node.key)}`]),
      ...(join === null ? [] : [` join    ${join}   (at the front, when both are up)`]),
      ...remarks.map((remark) => ` note    ${remark}`),
    );
  }
  lines.push('', `front  ${placeText(list.front)}  ${target.name}`, ` run     ${front.command}`);
  lines.push(` health  ${front.health}`, ` clients ${front.url}/v1`);
  lines.push(...target.remarks(list.front).map((remark) => ` note    ${remark}`));
  return `${lines.join('\n')}\n`;
}
