/**
 * Answers: which machines a deployment is to run on, from a list written by hand. Every mistake that
 * can be seen without the network is found here, all of them at once.
 */
import { isIP } from 'node:net';
import type { Place } from '../engines/deploy/target.ts';

export interface NodeList {
  /** Where clients come to. */
  readonly front: Place;
  readonly nodes: readonly Node[];
}

export interface Node extends Place {
  readonly name: string;
  /** `null` = decided. */
  readonly engine: string | null;
  /** A file with its `info --json`; `null` = taken to be like this machine. */
  readonly machine: string | null;
  /** Where its key is kept; `null` = whoever reaches it may use it. */
  readonly key: KeyReference | null;
}

/** A key is named, never written down: lists are copied and committed. */
export type KeyReference =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string };

/** Anything longer is another file. */
export const NODES_MAX = 256;
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const NODE_NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
const EVERY_ADDRESS = ['0.0.0.0', '::', '0'];

/** What the list says, or every problem of it, each with the place where it is. */
export async function readNodeList(
  value: unknown,
): Promise<{ readonly list: NodeList } | { readonly problems: readonly string[] }> {
  const parsed = (await schema()).safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path, message }) =>
        `${path.length === 0 ? 'the list' : `\`${path.join('.')}\``} ${message}`,
    );
    return { problems };
  }
  const { front, nodes } = parsed.data;
  const list: NodeList = {
    front,
    nodes: nodes.map(({ engine, machine, key, ...node }) => ({
      ...node,
      engine: engine ?? null,
      machine: machine ?? null,
      key: key ?? null,
    })),
  };
  const problems = conflicts(list);
  return problems.length === 0 ? { list } : { problems };
}

/** `host:port`, with the brackets that IPv6 needs. */
export function placeText({ host, port }: Place): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** As a shell reads it: the value is never ours to see. */
export function keyForShell(key: KeyReference): string {
  return key.kind === 'env' ? `"$${key.name}"` : `"$(cat '${key.path.replaceAll("'", "'\\''")}')"`;
}

export function keyText(key: KeyReference): string {
  return key.kind === 'env' ? `env:${key.name}` : `file:${key.path}`;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function conflicts({ front, nodes }: NodeList): readonly string[] {
  const problems: string[] = [];
  const places = new Map([[placeText(front), '`front`']]);
  const names = new Set<string>();
  for (const [index, node] of nodes.entries()) {
    const where = `\`nodes.${index}\``;
    if (names.has(node.name)) problems.push(`${where} has the name \`${node.name}\` a second time`);
    names.add(node.name);
    const place = placeText(node);
    const other = places.get(place);
    if (other !== undefined) problems.push(`${where} has the address ${place} of ${other}`);
    else places.set(place, where);
  }
  const isFar = (host: string): boolean => !isLoopback(host);
  if (isFar(front.host) && nodes.some(({ host }) => isLoopback(host))) {
    const local = nodes.filter(({ host }) => isLoopback(host)).map(({ name }) => `\`${name}\``);
    problems.push(
      `${local.join(', ')}: a loopback address reaches the front's own machine only; give its address in the network`,
    );
  }
  return problems;
}

async function schema() {
  const { z } = await import('zod');
  const host = z
    .string({ error: 'expected a host name or an IP address' })
    .refine((text) => !EVERY_ADDRESS.includes(text), {
      error: 'is every address of a machine: give the one that others reach it at',
    })
    .refine((text) => isIP(text) !== 0 || (HOST_NAME.test(text) && !/^[\d.]+$/.test(text)), {
      error: 'is no host name and no IP address',
    });
  const port = z
    .int({ error: 'expected a port, a whole number from 1 to 65535' })
    .min(1, { error: 'expected a port from 1 to 65535' })
    .max(65_535, { error: 'expected a port from 1 to 65535' });
  const key = z
    .string({ error: 'expected `env:NAME` or `file:/path`' })
    .transform((text, context): KeyReference => {
      const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)?.[1];
      if (name !== undefined) return { kind: 'env', name };
      const path = /^file:(\/.+)$/.exec(text)?.[1];
      if (path !== undefined) return { kind: 'file', path };
      // Without the text: it may be the key itself.
      context.addIssue('expected a reference to a key, `env:NAME` or `file:/path`, not the key');
      return z.NEVER;
    });
  const unknownKeys = (issue: { readonly keys?: readonly string[] }): string =>
    `has an unknown field \`${issue.keys?.join('`, `') ?? ''}\``;
  const place = { host, port };
  const options = (known: string) => ({
    error: (issue: { readonly code: string; readonly keys?: readonly string[] }) =>
      issue.code === 'unrecognized_keys' ? unknownKeys(issue) : `expected ${known}`,
  });
  const node = z.strictObject(
    {
      name: z
        .string({ error: 'expected a name' })
        .regex(NODE_NAME, { error: 'expected small letters, digits and `-`, at most 32' }),
      ...place,
      engine: z.string({ error: 'expected an engine id' }).min(1).optional(),
      machine: z.string({ error: 'expected a file' }).min(1).optional(),
      key: key.optional(),
    },
    options('a node: `name`, `host`, `port`'),
  );
  return z.strictObject(
    {
      front: z.strictObject(place, options('`host` and `port`')),
      nodes: z
        .array(node, { error: 'expected a list of nodes' })
        .min(1, { error: 'is empty' })
        .max(NODES_MAX, { error: `has more than ${NODES_MAX} nodes` }),
    },
    options('`front` and `nodes`'),
  );
}
