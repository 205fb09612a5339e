/** Answers: can this engine run on this machine at all, whatever the model? */
import type { Machine } from '../../hardware/machine.ts';
import type { Engine, Reason } from '../engine.ts';
import { acceleratorTargets, type Target } from './devices.ts';
import { checkMachine, checkTarget } from './requirements.ts';

const CPU: Target = { device: 'cpu', cards: [] };

/** Empty when it can, on some device; else the reasons of the device it would use first. */
export function machineReasons(
  engine: Pick<Engine, 'requirements'>,
  machine: Machine,
): readonly Reason[] {
  const general = checkMachine(engine.requirements, machine);
  const targets = [...acceleratorTargets(machine), CPU];
  const reasons = targets.map((target) => checkTarget(engine.requirements, machine, target));
  const isDeviceFound = reasons.some((list) => list.length === 0);
  return isDeviceFound ? general : [...general, ...(reasons[0] ?? [])];
}
