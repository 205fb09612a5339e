/**
 * Answers: what our own layer costs before anything is served (goals G1, G2, G3 of
 * `docs/benchmarking.md`): wall time of `--version`, `--help` and `info` against a bare Node, peak
 * memory, and the modules each of them loads. Run it on the built program: `npm run build`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../src/measure/stats.ts';
import { cannotMeasure, Options } from './support/options.ts';
import { printGoal, printHead, printNoise, ratioOf, ratioText, spread } from './support/report.ts';

const options = new Options('start-up', {
  n: { value: 'N', about: 'interleaved rounds (default 60)' },
  cli: { value: 'FILE', about: 'built program (default dist/bin/cli.js)' },
});
const ROUNDS = options.integer('n', 60);
const CLI = options.text('cli', fileURLToPath(new URL('../dist/bin/cli.js', import.meta.url)));
/** Fill the page cache and the compile cache, which a second run of a user finds filled. */
const WARMUPS = 3;
const MEMORY_ROUNDS = 5;
const CHILD_DEADLINE_MS = 60_000;

const CASES = {
  bare: ['-e', '0'],
  version: [CLI, '--version'],
  help: [CLI, '--help'],
  info: [CLI, 'info'],
} as const;
type Case = keyof typeof CASES;
const NAMES = Object.keys(CASES) as readonly Case[];

if (!existsSync(CLI)) cannotMeasure(`${CLI} is missing: run \`npm run build\``);
const scratch = mkdtempSync(join(tmpdir(), 'hyperllama-bench-'));
const env = {
  ...process.env,
  HYPERLLAMA_HOME: process.env['HYPERLLAMA_HOME'] ?? join(scratch, 'home'),
};
try {
  printHead('start-up of our own layer');
  measureTime();
  measureMemory();
  printModules();
  printNoise('after');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function measureTime(): void {
  console.log(
    `method    wall time from spawn to exit, stdout to /dev/null, ${ROUNDS} interleaved rounds`,
  );
  console.log(`          in rotating order after ${WARMUPS} warm-ups, one Node for all cases\n`);
  const times: Record<Case, number[]> = { bare: [], version: [], help: [], info: [] };
  for (let round = -WARMUPS; round < ROUNDS; round += 1) {
    for (let index = 0; index < NAMES.length; index += 1) {
      const name = NAMES[(index + round + WARMUPS) % NAMES.length] ?? 'bare';
      const begun = performance.now();
      const result = spawnSync(process.execPath, CASES[name], {
        env,
        stdio: 'ignore',
        timeout: CHILD_DEADLINE_MS,
      });
      const tookMs = performance.now() - begun;
      if (result.status !== 0) {
        cannotMeasure(`\`${CASES[name].join(' ')}\` ended with ${result.status ?? result.signal}`);
      }
      if (round >= 0) times[name].push(tookMs);
    }
  }
  for (const name of NAMES) console.log(`${name.padEnd(9)} ms ${spread(times[name])}`);
  console.log('');
  for (const name of ['version', 'help', 'info'] as const) {
    console.log(`${name.padEnd(9)} ÷ bare, paired: ${ratioText(ratioOf(times[name], times.bare))}`);
  }
  console.log('');
  for (const [id, name, limit] of [
    ['G1', 'version', 1.35],
    ['G1', 'help', 1.35],
    ['G2', 'info', 1.7],
  ] as const) {
    const value = median(times[name]) / median(times.bare);
    printGoal({ id, what: `${name} ÷ \`node -e 0\`, medians`, value, limit, is: 'at most' });
  }
}

/** Peak resident memory as the process itself reads it at its exit: a parent's own never counts. */
function measureMemory(): void {
  const out = join(scratch, 'memory.txt');
  const preload = join(scratch, 'memory.cjs');
  writeFileSync(
    preload,
    `const fs = require('node:fs');
process.on('exit', () => {
  let kib = process.resourceUsage().maxRSS;
  try { kib = Number(/VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]); } catch {}
  fs.writeFileSync(${JSON.stringify(out)}, String(kib));
});
`,
  );
  const peaks: Record<Case, number[]> = { bare: [], version: [], help: [], info: [] };
  for (let round = 0; round < MEMORY_ROUNDS; round += 1) {
    for (const name of NAMES) {
      const args = ['--require', preload, ...CASES[name]];
      spawnSync(process.execPath, args, { env, stdio: 'ignore', timeout: CHILD_DEADLINE_MS });
      peaks[name].push(Number(readFileSync(out, 'utf8')) / 1024);
    }
  }
  console.log('\npeak resident memory, MiB, by a hook in the process that reads VmHWM at its exit');
  for (const name of NAMES) console.log(`${name.padEnd(9)} MiB ${spread(peaks[name])}`);
  console.log('');
  for (const name of ['help', 'info'] as const) {
    const [value, what] = [median(peaks[name]), `peak memory of ${name}, median`];
    printGoal({ id: 'G3', what, value, limit: 55, is: 'at most', unit: ' MiB' });
  }
}

/** Files loaded through the module system, ours and those of packages; Node's own are left out. */
function printModules(): void {
  const out = join(scratch, 'modules.txt');
  const preload = join(scratch, 'modules.cjs');
  writeFileSync(
    preload,
    `const loaded = [];
require('node:module').registerHooks({
  load(url, context, next) { if (url.startsWith('file:')) loaded.push(url.slice(7)); return next(url, context); },
});
process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(out)}, loaded.join('\\n')));
`,
  );
  for (const name of ['version', 'help', 'info'] as const) {
    spawnSync(process.execPath, ['--require', preload, ...CASES[name]], {
      env,
      stdio: 'ignore',
      timeout: CHILD_DEADLINE_MS,
    });
    const files = readFileSync(out, 'utf8')
      .split('\n')
      .filter((file) => file !== '');
    const packages = new Map<string, number>();
    const own: string[] = [];
    for (const file of files) {
      const found = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
      if (found === undefined) own.push(file.replace(/^.*\/dist\//, ''));
      else packages.set(found, (packages.get(found) ?? 0) + 1);
    }
    console.log(`\nmodules that ${name} loads: ${files.length}`);
    console.log(`  ours (${own.length}): ${own.join(' ')}`);
    const list = [...packages].map(([of, count]) => `${of} (${count})`).join(' ');
    console.log(`  of packages: ${list === '' ? 'none' : list}`);
  }
  console.log('');
}
