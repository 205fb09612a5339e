import { expect, it } from 'vitest';
import { resolvePaths } from '../../../src/base/paths.ts';
import type { LaunchPlan } from '../../../src/engines/engine.ts';
import { lastStartMs, rememberStart } from '../../../src/launch/last-start.ts';
import { temporaryHome } from '../../support/home.ts';

// Of a plan nothing but the fingerprint counts here.
const plan = (fingerprint: string): LaunchPlan => ({ fingerprint }) as LaunchPlan;
const SLOW = plan('aaaaaaaa00000000');
const OTHER = plan('bbbbbbbb00000000');

it('remembers the last start of the same plan, and no short one', async () => {
  using home = temporaryHome();
  const paths = resolvePaths({ HYPERLLAMA_HOME: home.path });
  expect(await lastStartMs(paths, SLOW)).toBeNull();
  await rememberStart(paths, SLOW, 249_000);
  await rememberStart(paths, SLOW, 46_000);
  await rememberStart(paths, OTHER, 600);
  expect(await lastStartMs(paths, SLOW)).toBe(46_000);
  expect(await lastStartMs(paths, OTHER)).toBeNull();
});
