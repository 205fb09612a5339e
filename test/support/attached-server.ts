/** Answers: servers that HyperLlama did not start: the fake engine by hand, and one of scripted pages. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SERVICE = fileURLToPath(new URL('../fixtures/fake-engine/service.py', import.meta.url));

/** Words of a command line that starts the fake engine, without its address. */
export function fakeCommand(...more: readonly string[]): readonly string[] {
  return ['python3', SERVICE, 'host', '--', '--alias', 'tiny-served', ...more];
}

export interface FakeServer extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly url: string;
  isAlive(): boolean;
}

/** The fake engine on a free port, or a socket, as somebody else would run it. */
export async function startFakeServer(
  options: { readonly faults?: readonly string[]; readonly socket?: string } = {},
): Promise<FakeServer> {
  const { faults = [], socket } = options;
  const address = socket === undefined ? ['--port', '0'] : ['--socket', socket];
  const words = fakeCommand(...address, ...faults.flatMap((fault) => ['--fault', fault]));
  const [program = '', ...args] = words;
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the fake server ended before it listened')));
    createInterface(child.stderr).on('line', (line) => {
      const port = /^I port (\d+)$/.exec(line)?.[1];
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
      if (socket !== undefined && line.startsWith('I listening')) resolve(`unix:${socket}`);
    });
  });
  return {
    child,
    url,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export interface PageServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** `METHOD /path authorization` of each request. */
  readonly seen: string[];
}

export async function startPageServer(handler: RequestListener): Promise<PageServer> {
  const seen: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    const key = request.headers.authorization ?? 'no key';
    seen.push(`${request.method ?? ''} ${request.url ?? ''} ${key}`);
    handler(request, response);
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      resolve(bound !== null && typeof bound === 'object' ? bound.port : 0);
    });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
