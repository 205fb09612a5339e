/**
 * A real server that is not ours to know: llama.cpp's own, named in the configuration as a command,
 * and running already at a port.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { getText } from '../../src/base/http.ts';
import type { TemporaryHome } from '../support/home.ts';
import { describeProcesses, processesOfHome, until } from '../support/processes.ts';
import {
  ANSWER_DEADLINE_MS,
  INSTALL_DEADLINE_MS,
  JAPAN,
  live,
  liveHome,
  MODEL,
  type LiveHome,
} from './home.ts';

const SERVICE = fileURLToPath(
  new URL('../../python-services/llama-cpp/service.py', import.meta.url),
);
const TOKYO = 'The capital of Japan is Tokyo.';
const TEST_MS = 2 * ANSWER_DEADLINE_MS;
/** Ten times what the guard takes to end a tree. */
const EMPTY_DEADLINE_MS = 30_000;

let shared: LiveHome;
beforeAll(async () => {
  shared = await liveHome();
}, INSTALL_DEADLINE_MS);
afterAll(() => shared[Symbol.dispose]());

/** The program of the installed engine, as a user would name one of his own. */
function program(): readonly string[] {
  const engines = join(shared.path, 'data', 'engines', 'llama-cpp');
  const [name = ''] = readdirSync(engines).filter((entry) => entry.endsWith('-cpu'));
  return [join(engines, name, 'bin', 'python'), SERVICE, 'host', '--'];
}

function modelFile(): string {
  const folder = join(shared.path, 'data', 'models');
  const files = readdirSync(folder, { recursive: true }).map(String);
  const [file = ''] = files.filter((name) => name.endsWith('.gguf'));
  return join(folder, file);
}

function configure(home: TemporaryHome, mine: Readonly<Record<string, unknown>>): void {
  mkdirSync(join(home.path, 'config'), { recursive: true });
  const text = JSON.stringify({ engines: { custom: { mine } } });
  writeFileSync(join(home.path, 'config', 'config.yaml'), text);
}

async function askJapan(home: TemporaryHome): Promise<unknown> {
  const words = [JAPAN, '--engine', 'mine', '--temperature', '0', '--json'];
  const result = await live(['generate', MODEL, ...words], { home: home.path });
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stdout}${result.stderr}`);
  return JSON.parse(result.stdout);
}

it(
  'as a command it says Tokyo and is gone afterwards',
  async () => {
    using home = shared.trial();
    const flags = ['--model', '{model}', '--host', '{socket}', '--alias', '{served-name}'];
    const sizes = ['--ctx-size', '{context}', '--parallel', '{slots}'];
    const command = [...program(), ...flags, ...sizes];
    configure(home, { command, formats: ['gguf'], devices: ['cpu'], ready: '/health' });
    expect(await askJapan(home)).toMatchObject({ text: TOKYO, engine: { isUnmanaged: false } });
    const isEmpty = (): boolean => processesOfHome(home.path).length === 0;
    await until('an empty home', isEmpty, EMPTY_DEADLINE_MS).catch(() => undefined);
    expect(describeProcesses(processesOfHome(home.path))).toBe('');
  },
  TEST_MS,
);

it(
  'attached it says Tokyo and lives on',
  async () => {
    using home = shared.trial();
    const port = await freePort();
    const server = startServer(port);
    try {
      await untilLoaded(port);
      configure(home, { url: `http://127.0.0.1:${port}/v1` });
      expect(await askJapan(home)).toMatchObject({
        text: TOKYO,
        engine: { isUnmanaged: true },
        model: { served: 'somebody-elses' },
      });
      expect([server.exitCode, server.signalCode]).toEqual([null, null]);
      expect(await askJapan(home)).toMatchObject({ text: TOKYO });
    } finally {
      server.kill('SIGKILL');
    }
  },
  TEST_MS,
);

function startServer(port: number): ChildProcess {
  const [file = '', ...words] = program();
  const at = ['--host', '127.0.0.1', '--port', String(port)];
  const flags = ['--model', modelFile(), '--alias', 'somebody-elses', '--ctx-size', '2048'];
  return spawn(file, [...words, ...flags, ...at], { stdio: 'ignore' });
}

async function untilLoaded(port: number): Promise<void> {
  const end = performance.now() + ANSWER_DEADLINE_MS;
  const address = { kind: 'tcp', host: '127.0.0.1', port } as const;
  const look = { deadlineMs: 5_000, signal: null };
  while ((await getText(address, '/health', look))?.status !== 200) {
    if (performance.now() > end) throw new Error('the server did not load in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
      server.close(() => resolve(port));
    });
  });
}
