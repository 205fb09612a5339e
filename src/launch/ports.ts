/** Answers: which port of this machine is free just now, for its own user alone. */
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** The gap between this look and the engine's bind is why the guard proves who listens. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      const bound = server.address();
      const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
      server.close(() => resolve(port));
    });
  });
}
