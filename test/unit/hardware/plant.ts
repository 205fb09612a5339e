/** Unpacks the fixtures of the hardware probes, and puts a false `nvidia-smi` on a PATH. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const FIXTURES = fileURLToPath(new URL('../../fixtures/hardware/', import.meta.url));

export function fixture(name: string): string {
  return readFileSync(join(FIXTURES, name), 'utf8');
}

export type Tree = ReadonlyMap<string, string>;

/** `=== /path` starts a file; the first line is a remark. */
export function readTree(name: string): Tree {
  const files = new Map<string, string>();
  for (const part of fixture(`${name}.tree`).split(/^=== /m).slice(1)) {
    const end = part.indexOf('\n');
    files.set(part.slice(0, end), part.slice(end + 1));
  }
  return files;
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hardware-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** The root folder of a machine made of `files`. */
export function plant(files: Tree): string {
  const root = temporaryFolder();
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

export function plantTree(name: string): string {
  return plant(readTree(name));
}

/** An environment whose only tool beside the shell's is `name`, a script with this body. */
export function withTool(name: string, body: string): NodeJS.ProcessEnv {
  const folder = temporaryFolder();
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return { PATH: `${folder}:/usr/bin:/bin` };
}

/** No tool at all. */
export const NO_TOOLS: NodeJS.ProcessEnv = { PATH: '/nonexistent' };

/** A script that prints a fixture. */
export function printing(name: string): string {
  return `cat '${join(FIXTURES, name)}'`;
}
