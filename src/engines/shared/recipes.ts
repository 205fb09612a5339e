/** Answers: which way to install an engine suits a machine and the device it shall compute on. */
import type { Machine } from '../../hardware/machine.ts';
import type { DeviceKind, Engine, EnvironmentRecipe, InstallGuide } from '../engine.ts';
import { acceleratorTargets } from './devices.ts';
import { checkTarget } from './requirements.ts';

/** The first that matches; `null` when the engine cannot be installed for this device. */
export function recipeFor(
  { environments }: Pick<Engine, 'environments'>,
  machine: Machine,
  device: DeviceKind,
): EnvironmentRecipe | null {
  const { platform } = machine.os;
  const cards = acceleratorTargets(machine).find((target) => target.device === device)?.cards ?? [];
  const found = environments.find(({ when }) => {
    if (!when.devices.includes(device)) return false;
    if (platform !== null && !when.platforms.includes(platform)) return false;
    return (
      when.gfx === undefined || cards.every(({ gfx }) => when.gfx?.includes(gfx ?? '') === true)
    );
  });
  return found ?? null;
}

/**
 * The one that `engines install` takes, as a start would: for the first card the engine can drive,
 * else for the CPU; else that of a card, so that there is something to say why it cannot be used.
 */
export function recipeForMachine(
  engine: Pick<Engine, 'environments' | 'requirements'>,
  machine: Machine,
): EnvironmentRecipe | null {
  const usable = usableDevices(engine, machine);
  const all = acceleratorTargets(machine).map(({ device }) => device);
  // A build for the CPU is no answer where the engine drives the card: it would leave it idle.
  const devices: readonly DeviceKind[] = usable.length > 0 ? usable : ['cpu', ...all];
  return (
    devices.map((device) => recipeFor(engine, machine, device)).find((found) => found !== null) ??
    null
  );
}

/** What to say where there is no recipe; `null` when nothing is known either. */
export function guideFor(
  engine: Pick<Engine, 'guides' | 'requirements'>,
  machine: Machine,
): InstallGuide | null {
  const { platform } = machine.os;
  const devices = usableDevices(engine, machine);
  const found = engine.guides?.find(
    ({ when }) =>
      devices.some((device) => when.devices.includes(device)) &&
      (platform === null || when.platforms.includes(platform)),
  );
  return found ?? null;
}

function usableDevices(
  { requirements }: Pick<Engine, 'requirements'>,
  machine: Machine,
): readonly DeviceKind[] {
  return acceleratorTargets(machine)
    .filter((target) => checkTarget(requirements, machine, target).length === 0)
    .map(({ device }) => device);
}
