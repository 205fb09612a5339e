/** A scripted engine server on a unix socket, in this process: what it says is up to each test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Address } from '../../../src/base/http.ts';

export interface Asked {
  /** From 0. */
  readonly number: number;
  readonly body: { readonly messages: readonly { readonly content: string }[] };
}

export type Script = (response: ServerResponse, asked: Asked) => void | Promise<void>;

export interface StreamServer extends AsyncDisposable {
  readonly address: Address;
  readonly asked: readonly Asked[];
}

export async function streamServer(script: Script): Promise<StreamServer> {
  const folder = mkdtempSync('/tmp/hlm-');
  const path = join(folder, 's.sock');
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      // Its health page: the scripts are about answers.
      if (request.method === 'GET') return void response.end('ok');
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Asked['body'];
      const one = { number: asked.length, body };
      asked.push(one);
      void Promise.resolve(script(response, one));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    address: { kind: 'unix', path },
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const text = (content: string): object => ({ choices: [{ delta: { content } }] });
export const finish = (reason = 'length'): object => ({
  choices: [{ delta: {}, finish_reason: reason }],
});
export const usage = (prompt: number, output: number, cached = 0): object => ({
  choices: [],
  usage: {
    prompt_tokens: prompt,
    completion_tokens: output,
    prompt_tokens_details: { cached_tokens: cached },
  },
});

export function send(response: ServerResponse, ...events: readonly object[]): void {
  response.write(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
}

/** A whole answer of `pieces`, counted by the engine as `tokens`. */
export function answer(
  response: ServerResponse,
  pieces: readonly string[],
  tokens: number = pieces.length,
): void {
  send(response, ...pieces.map((piece) => text(piece)), finish(), usage(12, tokens));
  response.end('data: [DONE]\n\n');
}
