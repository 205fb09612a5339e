/**
 * Answers: which servers run on this machine, on the ports such servers usually take? Only loopback
 * is asked, only when the user asks for it, and all ports at once.
 */
import { lookAt, type Look } from './servers.ts';

/** Defaults as documented by each project, November 2026; `base` where it is not the root. */
const USUAL: readonly { readonly port: number; readonly base: string }[] = [
  // Ollama
  { port: 11_434, base: '' },
  // LM Studio
  { port: 1234, base: '' },
  // vLLM, MAX
  { port: 8000, base: '' },
  // llama-server until build 10,884, mlx_lm.server
  { port: 8080, base: '' },
  // llama-server since
  { port: 9931, base: '' },
  // SGLang
  { port: 30_000, base: '' },
  // Docker Model Runner
  { port: 12_434, base: '/engines' },
];

/** Loopback refuses at once and a list of models is at hand: who needs longer is not ready. */
const DISCOVER_DEADLINE_MS = 1000;

export interface Discovered {
  /** A name for it in the configuration. */
  readonly name: string;
  readonly url: string;
  readonly look: Exclude<Look, { kind: 'away' }>;
}

/** Every port that answers, in the order above. */
export async function discoverServers(
  signal: AbortSignal,
  usual: typeof USUAL = USUAL,
): Promise<readonly Discovered[]> {
  const options = { headers: {}, deadlineMs: DISCOVER_DEADLINE_MS, signal };
  const found = await Promise.all(
    usual.map(async ({ port, base }) => {
      const address = { kind: 'tcp', host: '127.0.0.1', port } as const;
      const look = await lookAt({ address, base }, options);
      const url = `http://127.0.0.1:${port}${base}`;
      return look.kind === 'away' ? null : { name: `local-${port}`, url, look };
    }),
  );
  return found.filter((server) => server !== null);
}
