/** Answers: can this engine run on this machine at all, whatever the model? */
import type { Machine } from '../../hardware/machine.ts';
import type { CustomSource, EnvironmentRecipe, Reason, Requirements, Service } from '../engine.ts';
import { acceleratorTargets, describeTarget, type Target } from './devices.ts';
import { checkMachine, checkTarget } from './requirements.ts';

const CPU: Target = { device: 'cpu', cards: [] };

/** Empty when it can, on some device; else the reasons of the device it would use first. */
export function machineReasons(engine: Service, machine: Machine): readonly Reason[] {
  return reasonsOn([...acceleratorTargets(machine), CPU], engine, machine);
}

/** The same for one way to install it: only the devices that this build computes on count. */
export function recipeReasons(
  engine: Service,
  { when }: EnvironmentRecipe,
  machine: Machine,
): readonly Reason[] {
  const targets = [...acceleratorTargets(machine), CPU];
  return reasonsOn(
    targets.filter(({ device }) => when.devices.includes(device)),
    engine,
    machine,
  );
}

/** The cards of this machine that the engine could not drive, each with why. */
export function idleCards(engine: Service, machine: Machine): readonly Reason[] {
  const { requirements } = engine;
  return acceleratorTargets(machine)
    .filter((target) => checkTarget(requirements, machine, target).length > 0)
    .map((target) => idleNote(requirements, machine, target));
}

/** The loud word about a card that is there and cannot be used. */
export function idleNote(requirements: Requirements, machine: Machine, target: Target): Reason {
  const reasons = checkTarget(requirements, machine, target);
  const why = reasons.map(({ because }) => because).join('; ');
  return {
    code: 'gpu-idle',
    because: `computes on the CPU and leaves ${describeTarget(target)} idle: ${why}`,
    // A newer driver is no help to a card that is too old.
    hint: reasons.every(({ hint }) => hint !== null) ? (reasons[0]?.hint ?? null) : null,
  };
}

function reasonsOn(
  targets: readonly Target[],
  engine: Service,
  machine: Machine,
): readonly Reason[] {
  const general = [...programReasons(engine.custom), ...checkMachine(engine.requirements, machine)];
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
