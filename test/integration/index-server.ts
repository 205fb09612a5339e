/**
 * Answers: a package index on loopback that serves one stand-in wheel, so that installs are tested
 * without the network and without the real package's size.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';

export interface StandIn {
  readonly name: string;
  readonly version: string;
  /** Files of the package: path → content. */
  readonly files: Readonly<Record<string, string>>;
}

/** A wheel for every platform, made by Python's own zip. The same bytes for the same content. */
export function makeWheel({ name, version, files }: StandIn): Buffer {
  const info = `${name}-${version}.dist-info`;
  const all = {
    ...files,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  };
  const records = [...Object.keys(all), `${info}/RECORD`].map((path) => `${path},,\n`);
  const script = [
    'import io, json, sys, zipfile',
    'files = json.load(sys.stdin)',
    'buffer = io.BytesIO()',
    'archive = zipfile.ZipFile(buffer, "w")',
    '[archive.writestr(zipfile.ZipInfo(path), text) for path, text in files.items()]',
    'archive.close()',
    'sys.stdout.buffer.write(buffer.getvalue())',
  ].join('\n');
  const input = JSON.stringify({ ...all, [`${info}/RECORD`]: records.join('') });
  const made = spawnSync('python3', ['-c', script], { input, maxBuffer: 64 * 1024 * 1024 });
  if (made.status !== 0) throw new Error(String(made.stderr));
  return made.stdout;
}

export class IndexServer {
  readonly #server: Server;
  readonly #wheels = new Map<string, { readonly package: string; readonly bytes: Buffer }>();
  #gate: Promise<void> = Promise.resolve();
  url = '';
  /** Paths that were asked for. */
  readonly asked: string[] = [];

  constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url ?? '/';
      this.asked.push(path);
      const wheel = this.#wheels.get(path.replace(/^\/files\//, ''));
      const name = /^\/simple\/([^/]+)\/?$/.exec(path)?.[1];
      if (path.startsWith('/files/') && wheel !== undefined) {
        void this.#gate.then(() => response.end(wheel.bytes));
      } else if (name !== undefined && [...this.#wheels.values()].some((w) => w.package === name)) {
        response.setHeader('content-type', 'text/html');
        response.end(this.#page(name));
      } else {
        response.writeHead(404).end();
      }
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const bound = this.#server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    this.url = `http://127.0.0.1:${port}/simple`;
    return this;
  }

  /** From now on files are sent only once the returned function was called. */
  holdFiles(): () => void {
    const held = Promise.withResolvers<void>();
    this.#gate = held.promise;
    return held.resolve;
  }

  serve(standIn: StandIn): string {
    const bytes = makeWheel(standIn);
    const file = `${standIn.name}-${standIn.version}-py3-none-any.whl`;
    this.#wheels.set(file, { package: standIn.name.replaceAll('_', '-'), bytes });
    return createHash('sha256').update(bytes).digest('hex');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #page(name: string): string {
    const links = [...this.#wheels]
      .filter(([, wheel]) => wheel.package === name)
      .map(([file]) => `<a href="/files/${file}">${file}</a>`);
    return `<!doctype html><html><body>${links.join('')}</body></html>`;
  }
}

/** An environment in which an install can reach nothing but `url`. */
export function onlyIndex(url: string, folder: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PIP_INDEX_URL: url,
    UV_DEFAULT_INDEX: url,
    UV_INDEX_URL: url,
    PIP_EXTRA_INDEX_URL: '',
    PIP_FIND_LINKS: '',
    PIP_NO_CACHE_DIR: '1',
    PIP_CONFIG_FILE: '/dev/null',
    UV_CACHE_DIR: `${folder}/uv-cache`,
    UV_NO_CONFIG: '1',
    NO_PROXY: '127.0.0.1',
  };
}

/** An address where nobody listens, on loopback: the discard port. */
export const NOWHERE = 'http://127.0.0.1:9/simple';
