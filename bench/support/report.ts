/** Answers: how a benchmark speaks: the machine and its noise first, then values with their spread. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { pairedRatio, summarize, type PairedRatio } from '../../src/measure/stats.ts';

/** Other work on more than a tenth of the cores shows in every figure. */
const LOAD_PER_CORE_MAX = 0.1;

export function printHead(title: string): void {
  const [cpu] = cpus();
  console.log(`# ${title}`);
  console.log(`date      ${new Date().toISOString()}`);
  console.log(`machine   ${cpu?.model ?? 'unknown CPU'}, ${availableParallelism()} usable cores`);
  console.log(`node      ${process.version} at ${process.execPath}`);
  console.log(`revision  ${revision()}`);
  console.log(`command   node ${process.argv.slice(1).map(relative).join(' ')}`);
  printNoise('before');
}

/** One minute's load average: what ran here just now besides us. */
export function printNoise(when: 'before' | 'after'): void {
  const load = loadavg()[0] ?? 0;
  const perCore = load / availableParallelism();
  const isNoisy = when === 'before' && perCore > LOAD_PER_CORE_MAX;
  console.log(
    `load      ${load.toFixed(2)} ${when}${isNoisy ? ': THE MACHINE IS NOT QUIET, figures are preliminary' : ''}`,
  );
}

/** `12.3 ± 0.4 (min 11.9, median 12.2, n=40)` */
export function spread(values: readonly number[], digits = 1): string {
  const summary = summarize(values);
  if (summary === null) return 'n/a (n=0)';
  const sd = summary.standardDeviation?.toFixed(digits) ?? 'n/a';
  const { mean, min, median, n } = summary;
  return `${mean.toFixed(digits)} ± ${sd} (min ${min.toFixed(digits)}, median ${median.toFixed(digits)}, n=${n})`;
}

/** `1.052 (95% CI 1.041–1.063, 8 pairs)` */
export function ratioText(paired: PairedRatio | null): string {
  if (paired === null) return 'n/a: fewer than two pairs';
  const { ratio, ci, n } = paired;
  return `${ratio.toFixed(3)} (95% CI ${ci.low.toFixed(3)}–${ci.high.toFixed(3)}, ${n} pairs)`;
}

export function ratioOf(a: readonly number[], b: readonly number[]): PairedRatio | null {
  return pairedRatio(a.map((value, index) => ({ a: value, b: b[index] ?? Number.NaN })));
}

export interface Goal {
  readonly id: string;
  readonly what: string;
  readonly value: number | null;
  readonly limit: number;
  readonly is: 'at most' | 'at least';
  readonly unit?: string;
  /** The other end of the interval, where `value` is one: tells a failure from too much noise. */
  readonly otherBound?: number | null;
}

/** `G1  --version ÷ node -e 0: 1.21, goal at most 1.35: pass` */
export function printGoal(goal: Goal): void {
  const { id, what, value, limit, is, unit = '', otherBound = null } = goal;
  const meets = (bound: number): boolean => (is === 'at most' ? bound <= limit : bound >= limit);
  const failure = otherBound !== null && meets(otherBound) ? 'FAIL (undecided: too noisy)' : 'FAIL';
  const verdict = value === null ? 'not measured' : meets(value) ? 'pass' : failure;
  const shown = value === null ? 'n/a' : `${value.toFixed(3)}${unit}`;
  console.log(`${id.padEnd(4)} ${what}: ${shown}, goal ${is} ${limit}${unit}: ${verdict}`);
}

function revision(): string {
  const folder = new URL('../../', import.meta.url);
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    const isChanged = git('status', '--porcelain').trim() !== '';
    return `${git('rev-parse', '--short', 'HEAD').trim()}${isChanged ? ' with local changes' : ''}`;
  } catch {
    const manifest = readFileSync(new URL('package.json', folder), 'utf8');
    return (JSON.parse(manifest) as { version: string }).version;
  }
}

function relative(word: string): string {
  return word.replace(/^.*\/(bench\/)/, '$1');
}
