/**
 * Answers: a fresh `HYPERLLAMA_HOME` for one test, removed at its end. Its path is short, because a
 * unix socket's path may have 100 bytes only.
 */
import { mkdtempSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface TemporaryHome {
  readonly path: string;
  [Symbol.dispose](): void;
}

/** `dataOf`: share the engines and models of another home, so that nothing is installed again. */
export function temporaryHome(options: { readonly dataOf?: string } = {}): TemporaryHome {
  const path = mkdtempSync('/tmp/hlt-');
  if (options.dataOf !== undefined) {
    mkdirSync(join(options.dataOf, 'data'), { recursive: true });
    symlinkSync(join(options.dataOf, 'data'), join(path, 'data'));
  }
  return {
    path,
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
