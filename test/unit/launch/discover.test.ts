/** Servers looked for on this machine: what answers, and the lines that attach it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfig } from '../../../src/base/config.ts';
import { configLines, namesShown, notAttached } from '../../../src/commands/discover.ts';
import { discoverServers } from '../../../src/launch/discover.ts';
import { startPageServer } from '../../support/attached-server.ts';
import { temporaryHome } from '../../support/home.ts';

const signal = new AbortController().signal;

it('tells models, a closed door and another dialect apart, and leaves out who is silent', async () => {
  const page = { data: [{ id: 'a: "b"' }, { id: 'c' }, { name: 'no id' }] };
  await using open = await startPageServer((request, response) => {
    response.statusCode = request.url === '/engines/v1/models' ? 200 : 404;
    response.end(JSON.stringify(page));
  });
  await using closed = await startPageServer((_, response) => response.writeHead(401).end());
  await using foreign = await startPageServer((_, response) => response.end('hello'));
  // Accepts and says nothing: the deadline ends it.
  const mute = createServer(() => undefined);
  const mutePort = await new Promise<number>((resolve) => {
    mute.listen(0, '127.0.0.1', () => {
      const bound = mute.address();
      resolve(bound !== null && typeof bound === 'object' ? bound.port : 0);
    });
  });
  const usual = [
    { port: open.port, base: '/engines' },
    { port: closed.port, base: '' },
    { port: foreign.port, base: '' },
    { port: mutePort, base: '' },
  ];
  const found = await discoverServers(signal, usual);
  mute.close();
  expect(found.map(({ url, look }) => [url, look])).toEqual([
    [`${open.url}/engines`, { kind: 'models', models: ['a: "b"', 'c'] }],
    [closed.url, { kind: 'locked', status: 401 }],
    [
      foreign.url,
      {
        kind: 'foreign',
        because: '`GET /v1/models` gave something that is no list of models',
      },
    ],
  ]);
  using home = temporaryHome();
  const configFolder = join(home.path, 'config');
  mkdirSync(configFolder);
  writeFileSync(join(configFolder, 'config.yaml'), configLines(found.slice(0, 2)));
  const { custom } = await loadConfig({ configFolder, workingFolder: home.path, env: {} });
  expect(custom.value).toMatchObject({
    [`local-${open.port}`]: { url: `${open.url}/engines`, model: 'a: "b"', keyVariable: null },
    [`local-${closed.port}`]: { url: closed.url, model: null, keyVariable: 'SERVER_KEY' },
  });
});

it.each([
  ['by its address', 'http://127.0.0.1:8080', ['local-8000']],
  ['by a name of this machine', 'http://localhost:8080/v1', ['local-8000']],
  ['by its IPv6 address', 'http://[::1]:8080', ['local-8000']],
  ['not: another machine', 'http://10.0.0.1:8080', ['local-8000', 'local-8080']],
  ['not: another path', 'http://127.0.0.1:8080/engines', ['local-8000', 'local-8080']],
])('leaves out a server that is attached: %s', async (_, url, left) => {
  const look = { kind: 'models', models: [] } as const;
  const found = [8000, 8080].map((port) => ({
    name: `local-${port}`,
    url: `http://127.0.0.1:${port}`,
    look,
  }));
  using home = temporaryHome();
  const configFolder = join(home.path, 'config');
  mkdirSync(configFolder);
  const file = `engines: { custom: { mine: { url: '${url}' } } }`;
  writeFileSync(join(configFolder, 'config.yaml'), file);
  const { custom } = await loadConfig({ configFolder, workingFolder: home.path, env: {} });
  expect(notAttached(found, custom.value).map(({ name }) => name)).toEqual(left);
});

it.each([
  ['a colour code', '\u001b[31mred'],
  ['a line end', 'two\nlines'],
  ['a C1 control', 'a\u009b2J'],
  ['a turn of the reading direction', 'a\u202egpj.exe'],
  ['more than anybody reads', 'x'.repeat(1025)],
])('passes over a name with %s', async (_, id) => {
  await using server = await startPageServer((__, response) =>
    response.end(JSON.stringify({ data: [{ id }, { id: 'org/Modèle-4B:Q4_K_M' }] })),
  );
  const [found] = await discoverServers(signal, [{ port: server.port, base: '' }]);
  expect(found?.look).toEqual({ kind: 'models', models: ['org/Modèle-4B:Q4_K_M'] });
});

it('shows a few names of many, and says how many there are', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  expect(namesShown(names)).toBe('a, b, c, d, e and 2 more');
  expect(namesShown(names.slice(0, 5))).toBe('a, b, c, d, e');
});
