/** Answers: can this engine run on this machine at all, whatever the model? */
import type { Machine } from '../../hardware/machine.ts';
import type { CustomSource, Engine, Reason } from '../engine.ts';
import { acceleratorTargets, type Target } from './devices.ts';
import { checkMachine, checkTarget } from './requirements.ts';

const CPU: Target = { device: 'cpu', cards: [] };

/** Empty when it can, on some device; else the reasons of the device it would use first. */
export function machineReasons(engine: Engine, machine: Machine): readonly Reason[] {
  const general = [...programReasons(engine.custom), ...checkMachine(engine.requirements, machine)];
  const targets = [...acceleratorTargets(machine), CPU];
  const reasons = targets.map((target) => checkTarget(engine.requirements, machine, target));
  const isDeviceFound = reasons.some((list) => list.length === 0);
  return isDeviceFound ? general : [...general, ...(reasons[0] ?? [])];
}

/** Why the command of a custom engine cannot be run. */
export function programReasons(custom: CustomSource | undefined): readonly Reason[] {
  if (custom?.kind !== 'command' || custom.executable !== null) return [];
  const { program } = custom;
  const where = program.startsWith('/') ? 'is no program that can be run' : 'is not on PATH';
  return [
    {
      code: 'program-missing',
      because: `\`${program}\` ${where}`,
      hint: 'install it, or give its absolute path in the `command` of the configuration',
    },
  ];
}
