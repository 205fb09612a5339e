/**
 * `npm test`: everything that can be checked, in order of cost, and one closing line
 * `N passed, N failed`. Installs what the Python tests need from their hash lock by itself.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const results = join(root, 'test-results');
mkdirSync(results, { recursive: true });

const env = {
  ...process.env,
  PATH: `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`,
};
let passed = 0;
let failed = 0;

/** One command as one test: passed when it ends with 0. */
function step(name: string, command: string, args: readonly string[]): boolean {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  const isGood = status === 0;
  if (isGood) passed += 1;
  else failed += 1;
  console.log(`${isGood ? '✓' : '✗'} ${name}`);
  return isGood;
}

step('generated files are fresh', process.execPath, ['scripts/check-fresh.ts']);
step('types', bin('tsc'), ['-p', 'tsconfig.json']);
step('lint', bin('oxlint'), ['--type-aware', '--quiet']);
step('format', bin('oxfmt'), ['--check']);
vitest();
python();

console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function vitest(): void {
  const file = join(results, 'vitest.json');
  rmSync(file, { force: true });
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const { status } = spawnSync(bin('vitest'), args, { cwd: root, stdio: 'inherit', env });
  if (!existsSync(file)) {
    failed += 1;
    console.log('✗ vitest wrote no result');
    return;
  }
  const report = JSON.parse(readFileSync(file, 'utf8')) as {
    numPassedTests: number;
    numFailedTests: number;
    numFailedTestSuites: number;
  };
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  // A suite that could not even be loaded has no failed tests of its own.
  if (status !== 0 && report.numFailedTests === 0)
    failed += Math.max(1, report.numFailedTestSuites);
}

/** pytest, ruff and mypy on the services, from a hash lock in a folder of their own. */
function python(): void {
  const tools = join(root, '.venv');
  const lock = join(root, 'python-services', 'dev.lock.txt');
  const marker = join(tools, 'lock.txt');
  const isFresh = existsSync(marker) && readFileSync(marker, 'utf8') === readFileSync(lock, 'utf8');
  if (!isFresh) {
    rmSync(tools, { recursive: true, force: true });
    const install = spawnSync(
      'python3',
      [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--require-hashes',
        // The lock names all of them; some that are never imported are left out on purpose.
        '--no-deps',
        '--target',
        tools,
        '-r',
        lock,
      ],
      { cwd: root, stdio: 'inherit', env: { ...env, PIP_ROOT_USER_ACTION: 'ignore' } },
    );
    if (install.status !== 0) {
      failed += 1;
      console.log('✗ the Python test tools could not be installed (`python3 -m pip` is needed)');
      return;
    }
    writeFileSync(marker, readFileSync(lock, 'utf8'));
  }
  const pythonEnv = { ...env, PYTHONPATH: tools };
  const services = join(root, 'python-services');
  const run = (
    args: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): { status: number | null; stdout: string } => {
    const { status, stdout } = spawnSync('python3', ['-m', ...args], {
      cwd: services,
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      env: { ...pythonEnv, ...more },
    });
    process.stdout.write(stdout);
    return { status, stdout };
  };
  for (const args of [
    ['ruff', 'check', '.'],
    ['ruff', 'format', '--check', '.'],
    // Apart: every service has files of the same names.
    ...readdirSync(services)
      .filter((name) => name === 'shared' || existsSync(join(services, name, 'service.py')))
      .map((name) => ['mypy', name]),
  ]) {
    const folder = args[0] === 'mypy' ? { MYPYPATH: join(services, args.at(-1) ?? '') } : {};
    const isGood = run(args, folder).status === 0;
    if (isGood) passed += 1;
    else failed += 1;
    console.log(`${isGood ? '✓' : '✗'} ${args.join(' ')}`);
  }
  const tests = run(['pytest', '-q', '-p', 'no:cacheprovider', '.']);
  const count = (word: string): number =>
    Number(new RegExp(`(\\d+) ${word}`).exec(tests.stdout)?.[1] ?? 0);
  passed += count('passed');
  const bad = count('failed') + count('error');
  failed += tests.status === 0 ? bad : Math.max(1, bad);
}
