/** A list of machines: what it says, and every mistake that shows without the network. */
import { describe, expect, it } from 'vitest';
import { keyForShell, keyText, placeText, readNodeList } from '../../../src/plan/nodes.ts';

const FRONT = { host: '10.0.0.1', port: 30_000 };
const NODE = { name: 'gpu-a', host: '10.0.0.11', port: 8000 };

async function problemsOf(value: unknown): Promise<readonly string[]> {
  const read = await readNodeList(value);
  return 'problems' in read ? read.problems : [];
}

describe('a node list', () => {
  it('is read with its defaults, keys as references', async () => {
    const nodes = [
      { ...NODE, engine: 'e', machine: 'a.json', key: 'env:A_KEY' },
      { ...NODE, name: 'b', port: 8001 },
    ];
    expect(await readNodeList({ front: FRONT, nodes })).toEqual({
      list: {
        front: FRONT,
        nodes: [
          { ...NODE, engine: 'e', machine: 'a.json', key: { kind: 'env', name: 'A_KEY' } },
          { ...NODE, name: 'b', port: 8001, engine: null, machine: null, key: null },
        ],
      },
    });
  });

  it.each([
    ['nothing', null, ['the list expected `front` and `nodes`']],
    ['no nodes', { front: FRONT, nodes: [] }, ['`nodes` is empty']],
    ['no front', { nodes: [NODE] }, ['`front` expected `host` and `port`']],
    [
      'a mistyped field',
      { front: FRONT, nodes: [{ ...NODE, prot: 1 }] },
      ['`nodes.0` has an unknown field `prot`'],
    ],
    [
      'a port beyond 65535',
      { front: FRONT, nodes: [{ ...NODE, port: 70_000 }] },
      ['`nodes.0.port` expected a port from 1 to 65535'],
    ],
    [
      'a port in words',
      { front: FRONT, nodes: [{ ...NODE, port: '8000' }] },
      ['`nodes.0.port` expected a port, a whole number from 1 to 65535'],
    ],
    [
      'port 0',
      { front: FRONT, nodes: [{ ...NODE, port: 0 }] },
      ['`nodes.0.port` expected a port from 1 to 65535'],
    ],
    [
      'every address',
      { front: FRONT, nodes: [{ ...NODE, host: '0.0.0.0' }] },
      ['`nodes.0.host` is every address of a machine: give the one that others reach it at'],
    ],
    [
      'half an address',
      { front: FRONT, nodes: [{ ...NODE, host: '10.0.0' }] },
      ['`nodes.0.host` is no host name and no IP address'],
    ],
    [
      'a URL as host',
      { front: FRONT, nodes: [{ ...NODE, host: 'http://a' }] },
      ['`nodes.0.host` is no host name and no IP address'],
    ],
    [
      'one address twice',
      { front: FRONT, nodes: [NODE, { ...NODE, name: 'b' }] },
      ['`nodes.1` has the address 10.0.0.11:8000 of `nodes.0`'],
    ],
    [
      'the address of the front',
      { front: FRONT, nodes: [{ ...FRONT, name: 'a' }] },
      ['`nodes.0` has the address 10.0.0.1:30000 of `front`'],
    ],
    [
      'one name twice',
      { front: FRONT, nodes: [NODE, { ...NODE, port: 1 }] },
      ['`nodes.1` has the name `gpu-a` a second time'],
    ],
    [
      'a loopback node behind a far front',
      { front: FRONT, nodes: [{ ...NODE, host: '127.0.0.1' }] },
      [
        "`gpu-a`: a loopback address reaches the front's own machine only; give its address in the network",
      ],
    ],
  ])('with %s is refused, naming the place', async (_, value, problems) => {
    expect(await problemsOf(value)).toEqual(problems);
  });

  it('tells all mistakes at once', async () => {
    const nodes = [
      { ...NODE, port: 0 },
      { ...NODE, name: 'B!' },
    ];
    expect(await problemsOf({ front: FRONT, nodes })).toHaveLength(2);
  });

  it('refuses a key that stands in it, without repeating it', async () => {
    const problems = await problemsOf({
      front: FRONT,
      nodes: [{ ...NODE, key: 'sk-secret-value' }],
    });
    expect(problems).toEqual([
      '`nodes.0.key` expected a reference to a key, `env:NAME` or `file:/path`, not the key',
    ]);
    expect(problems.join()).not.toContain('sk-secret-value');
  });
});

describe('an address and a key', () => {
  it('are written as a URL and a shell need them', () => {
    expect(placeText({ host: '::1', port: 80 })).toBe('[::1]:80');
    expect(placeText({ host: 'gpu-a.example', port: 80 })).toBe('gpu-a.example:80');
    expect(keyForShell({ kind: 'env', name: 'A_KEY' })).toBe('"$A_KEY"');
    expect(keyForShell({ kind: 'file', path: "/k/it's" })).toBe(`"$(cat '/k/it'\\''s')"`);
    expect(keyText({ kind: 'file', path: '/k/a' })).toBe('file:/k/a');
  });
});
