/** Answers: which port of this machine is free just now, for its own user alone. */

export const LOOPBACK = '127.0.0.1';

/**
 * Below the ports that the kernel gives to outgoing connections (from 32768 on Linux): none of these
 * can take it before the engine does. Dynamo 1.6.1 reads its port as a signed 16-bit number, too.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 32_767;
/** Then any port will do. */
const TRIES_MAX = 16;

/** The gap between this look and the engine's bind is why the guard proves who listens. */
export async function freePort(): Promise<number> {
  const { randomInt } = process.getBuiltinModule('node:crypto');
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = await bind(randomInt(PORT_MIN, PORT_MAX + 1)).catch(() => null);
    if (port !== null) return port;
  }
  return await bind(0);
}

/** Whether nobody of this machine listens at the port just now. */
export async function isPortFree(port: number): Promise<boolean> {
  return await bind(port).then(
    () => true,
    () => false,
  );
}

async function bind(wanted: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = process.getBuiltinModule('node:net').createServer();
    server.once('error', reject);
    server.listen(wanted, LOOPBACK, () => {
      const bound = server.address();
      const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
      server.close(() => resolve(port));
    });
  });
}
