/**
 * The demo model in its other formats, for real: what the converter makes is what the catalog says
 * it would be, cuts text as llama.cpp does, and answers the same question the same way.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_MODEL } from '../../src/models/catalog-demo.ts';
import { describePath } from '../../src/models/describe-path.ts';
import { ANSWER_DEADLINE_MS, INSTALL_DEADLINE_MS, JAPAN, live, liveHome, MODEL } from './home.ts';
import type { LiveHome } from './home.ts';

let shared: LiveHome;
beforeAll(async () => {
  shared = await liveHome();
}, INSTALL_DEADLINE_MS);
afterAll(() => shared[Symbol.dispose]());

/** The converter is installed first: 22 MB. */
const TEST_MS = INSTALL_DEADLINE_MS;

interface Converted {
  readonly path: string;
  readonly was: string;
}

async function convert(...more: readonly string[]): Promise<Converted> {
  const asked = ['convert', MODEL, ...more, '--json'];
  const result = await live(asked, { home: shared.path, deadlineMs: INSTALL_DEADLINE_MS });
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stdout}${result.stderr}`);
  return JSON.parse(result.stdout) as Converted;
}

describe('convert', () => {
  it(
    'makes the safetensors folder that the catalog describes, once',
    async () => {
      const made = await convert('--to', 'safetensors', '--dtype', 'bfloat16');
      const again = await convert('--to', 'safetensors', '--dtype', 'bfloat16');
      expect(again).toMatchObject({ path: made.path, was: 'present' });
      const read = await describePath(made.path, { cacheFolder: null, env: {} });
      const known = DEMO_MODEL.artifacts.find(({ format }) => format === 'safetensors');
      const { artifacts, ref: _ref, name: _name, ...shape } = read;
      expect(DEMO_MODEL).toMatchObject(shape);
      expect(artifacts[0]).toMatchObject({
        format: known?.format,
        quantization: known?.quantization,
        weights: known?.weights,
        bytesOnDisk: known?.bytesOnDisk,
      });
      const folder = join(shared.path, 'data', 'models', 'smollm2-135m');
      expect(readdirSync(folder).filter((name) => name.includes('staging'))).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'cuts text into the tokens that llama.cpp cuts it into',
    async () => {
      const { path } = await convert('--to', 'safetensors');
      using home = shared.trial();
      const kept = ['generate', MODEL, JAPAN, '--max-tokens', '1', '--keep-alive', '5m'];
      await live(kept, { home: home.path });
      const ps = await live(['ps', '--json'], { home: home.path });
      const { sessions } = JSON.parse(ps.stdout) as { sessions: { address: string }[] };
      const socket = sessions[0]?.address.replace(/^unix:/, '') ?? '';
      const texts = [
        JAPAN,
        "It's 2026-11-21, 12345.67 and 007!",
        '  spaces\n\n\tand\ttabs  ',
        'naïve café — 日本語 🦙 ½',
        'def f(x): return x**2  # power',
      ];
      const ours = tokensOf(path, texts);
      const theirs: number[][] = [];
      for (const text of texts) theirs.push(await tokenize(socket, text));
      await live(['stop', '--all'], { home: home.path });
      expect(ours).toEqual(theirs);
    },
    TEST_MS,
  );

  it(
    'makes a bfloat16 GGUF file that answers as the model does',
    async () => {
      using home = shared.trial();
      const out = join(home.path, 'demo.gguf');
      mkdirSync(home.path, { recursive: true });
      const { path } = await convert('--to', 'gguf', '--dtype', 'bfloat16', '--out', out);
      expect(path).toBe(out);
      const asked = ['generate', out, JAPAN, '--temperature', '0', '--quiet'];
      const result = await live(asked, { home: home.path });
      expect([result.stdout, result.stderr]).toEqual(['The capital of Japan is Tokyo.\n', '']);
      const refused = await live(['convert', MODEL, '--out', out], { home: home.path });
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('a path where nothing is yet');
    },
    TEST_MS,
  );

  it(
    'refuses a file that is no GGUF file before anything is made',
    async () => {
      using home = shared.trial();
      const out = join(home.path, 'out');
      const result = await live(['convert', join(home.path, 'none.gguf'), '--out', out], {
        home: home.path,
      });
      expect(result.code).toBe(5);
      expect(existsSync(out)).toBe(false);
    },
    ANSWER_DEADLINE_MS,
  );
});

/** Ids by the files that the converter wrote, read by the library that engines read them with. */
function tokensOf(folder: string, texts: readonly string[]): readonly number[][] {
  const python = join(shared.path, 'data', 'tools', 'convert');
  const [version] = readdirSync(python).filter((name) => /^[\d.]+$/.test(name));
  const code = `
import json, sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
print(json.dumps([tokenizer.encode(text).ids for text in json.load(sys.stdin)]))`;
  const result = spawnSync(
    join(python, version ?? '', 'bin', 'python'),
    ['-c', code, join(folder, 'tokenizer.json')],
    { input: JSON.stringify(texts), encoding: 'utf8' },
  );
  if (result.status !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout) as number[][];
}

/** Ids by llama.cpp's own server. */
async function tokenize(socketPath: string, content: string): Promise<number[]> {
  const body = await new Promise<string>((resolve, reject) => {
    const options = { socketPath, path: '/tokenize', method: 'POST', timeout: ANSWER_DEADLINE_MS };
    const asking = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    });
    asking.on('error', reject);
    asking.end(JSON.stringify({ content }));
  });
  return (JSON.parse(body) as { tokens: number[] }).tokens;
}
