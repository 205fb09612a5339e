/** Answers: can the machines of a list be reached, and does something listen at their ports? */
import { connect, isIP } from 'node:net';
import { errnoOf } from '../base/errors.ts';
import { getText } from '../base/http.ts';
import { modelNames } from './servers.ts';

/** Round trips in one building take a millisecond, over an ocean 300; a dropped packet is sent again. */
const REACH_DEADLINE_MS = 3_000;
/** A page of an engine that computes with all its cores. */
const PAGE_DEADLINE_MS = 5_000;

export type Reach =
  /** The machine answers and the port is free: an engine can be started there. */
  | { readonly kind: 'free' }
  /** An OpenAI server is there already; `models` is empty where it wants a key to tell. */
  | { readonly kind: 'serving'; readonly models: readonly string[]; readonly wantsKey: boolean }
  | { readonly kind: 'taken'; readonly because: string }
  | { readonly kind: 'unreachable'; readonly because: string };

export async function reach(
  place: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Reach> {
  const problem = await connectTo(place, signal);
  if (problem === 'ECONNREFUSED') return { kind: 'free' };
  if (problem !== null) return { kind: 'unreachable', because: WORDS[problem] ?? problem };
  const limits = { deadlineMs: PAGE_DEADLINE_MS, signal };
  const host = isIP(place.host) === 6 ? `[${place.host}]` : place.host;
  const page = await getText({ kind: 'tcp', host, port: place.port }, '/v1/models', limits);
  if (page === null)
    return { kind: 'taken', because: 'something listens there that is no HTTP server' };
  if (page.status === 401 || page.status === 403) {
    return { kind: 'serving', models: [], wantsKey: true };
  }
  const models = modelNames(page.text);
  if (page.status === 200 && models !== null) return { kind: 'serving', models, wantsKey: false };
  return { kind: 'taken', because: `\`/v1/models\` answers with status ${page.status}` };
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no machine of that name',
  EAI_AGAIN: 'its name could not be looked up',
  EHOSTUNREACH: 'no way leads to it',
  ENETUNREACH: 'no way leads to its network',
  ETIMEDOUT: `no answer within ${REACH_DEADLINE_MS / 1000} s: off, a wrong address, or a firewall`,
};

/** Why there is no connection, as the system calls it; `null` = there is one. */
async function connectTo(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<string | null> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (problem: string | null): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(problem);
    };
    const onAbort = (): void => finish('cancelled');
    // A timer and not the socket's own time-out: looking the name up counts too.
    const timer = setTimeout(() => finish('ETIMEDOUT'), REACH_DEADLINE_MS);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => finish(null));
    socket.once('error', (error) => finish(errnoOf(error) ?? error.message));
  });
}
