/**
 * Answers: what a stranger on a port gets to see. It takes the port as soon as it can and keeps
 * every byte that arrives.
 */
import { createServer, type Server } from 'node:net';

/** How often a taken port is tried again. */
const RETRY_MS = 1;

export class Squatter {
  readonly port: number;
  /** Everything strangers sent us. */
  received = '';
  connections = 0;
  isListening = false;
  readonly #host: string;
  readonly #reusePort: boolean;
  #server: Server | null = null;
  #isClosed = false;

  constructor(options: {
    readonly port: number;
    readonly host: string;
    readonly reusePort?: boolean;
  }) {
    this.port = options.port;
    this.#host = options.host;
    this.#reusePort = options.reusePort ?? false;
  }

  /** Tries for the port until it has it, is closed, or `forMs` are over; whether it has it. */
  async squat(forMs: number): Promise<boolean> {
    const end = performance.now() + forMs;
    while (!this.#isClosed && performance.now() < end) {
      if (await this.#listen()) return true;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return false;
  }

  /** Tries no more; keeps the port if it has it. */
  rest(): void {
    this.#isClosed = true;
  }

  async close(): Promise<void> {
    this.rest();
    const server = this.#server;
    if (server === null) return;
    await new Promise((resolve) => {
      server.close(resolve);
    });
    this.isListening = false;
  }

  async #listen(): Promise<boolean> {
    const server = createServer((socket) => {
      this.connections += 1;
      socket.on('error', () => undefined);
      // Answers as an eager imposter would, so that a client that asks believes it.
      socket.on('data', (chunk) => {
        this.received += chunk.toString('latin1');
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}');
      });
    });
    const options = { port: this.port, host: this.#host, reusePort: this.#reusePort };
    const isOurs = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(options, () => resolve(true));
    });
    if (isOurs) this.#server = server;
    this.isListening = isOurs;
    return isOurs;
  }
}

/** A port that was free a moment ago, as a launcher that binds and closes finds one. */
export async function freePort(): Promise<number> {
  const server = createServer();
  return await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  });
}
