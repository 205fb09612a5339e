/** Whether a process is there, also where we may not touch it. */
import { afterEach, expect, it, vi } from 'vitest';
import { isPidAlive } from '../../../src/base/pid.ts';

afterEach(() => vi.restoreAllMocks());

it('takes this process for alive', () => {
  expect(isPidAlive(process.pid)).toBe(true);
});

it.each([
  ['EPERM', true],
  ['ESRCH', false],
])('takes one that answers %s for alive: %s', (code, isAlive) => {
  vi.spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error(code), { code });
  });
  expect(isPidAlive(4711)).toBe(isAlive);
});
