/**
 * Answers: why a machine cannot run an engine on a target, each reason with its way out. Values
 * that nobody could find out are believed to be good: a wrong refusal cannot be mended by the user.
 */
import type { Machine } from '../../hardware/machine.ts';
import type { DeviceKind, Reason, Requirements } from '../engine.ts';
import { describeTarget, type Target } from './devices.ts';
import { compareVersions } from './versions.ts';

/** What has nothing to do with the device: platform, architecture, C library. */
export function checkMachine(requirements: Requirements, machine: Machine): readonly Reason[] {
  const reasons: Reason[] = [];
  const { platform, libc } = machine.os;
  if (platform !== null && !requirements.platforms.includes(platform)) {
    const wanted = requirements.platforms.map(platformName).join(' or ');
    reasons.push({
      code: 'platform-unsupported',
      because: `runs on ${wanted}, this is ${platformName(platform)}`,
      hint:
        platform === 'win32' && requirements.platforms.includes('linux')
          ? 'install WSL2 with `wsl --install` and run the same command inside it'
          : null,
    });
  }
  const { architecture } = machine.cpu;
  if (architecture !== null && !requirements.architectures.includes(architecture)) {
    reasons.push({
      code: 'architecture-unsupported',
      because: `has builds for ${requirements.architectures.join(', ')}, this CPU is ${architecture}`,
      hint: null,
    });
  }
  if (libc?.name === 'musl' && requirements.glibcMin !== undefined) {
    reasons.push({
      code: 'libc-unsupported',
      because: `its builds need glibc, this system has musl`,
      hint: 'use a distribution or container image with glibc, such as Debian',
    });
  } else if (
    libc !== null &&
    libc.version !== null &&
    requirements.glibcMin !== undefined &&
    compareVersions(libc.version, requirements.glibcMin) < 0
  ) {
    reasons.push({
      code: 'libc-too-old',
      because: `needs glibc ${requirements.glibcMin}, this system has ${libc.version}`,
      hint: `use a distribution with glibc ${requirements.glibcMin} or newer`,
    });
  }
  return reasons;
}

/** What the target itself must bring: vendor, generation, driver, instruction sets. */
export function checkTarget(
  requirements: Requirements,
  machine: Machine,
  target: Target,
): readonly Reason[] {
  if (!requirements.devices.includes(target.device)) {
    return [deviceUnsupported(requirements.devices, target)];
  }
  if (target.device === 'cpu') return checkIsa(requirements, machine);
  return target.cards.flatMap((card) => checkCard(requirements, card));
}

function deviceUnsupported(devices: readonly DeviceKind[], target: Target): Reason {
  const wanted = devices.map(deviceName).join(', ');
  const here = target.device === 'cpu' ? 'the CPU' : describeTarget(target);
  return {
    code: 'device-unsupported',
    because: `computes on ${wanted}, not on ${here}`,
    hint:
      target.device !== 'cpu' && devices.includes('cpu')
        ? 'use `--device cpu` to compute without the GPU'
        : null,
  };
}

function checkIsa(requirements: Requirements, machine: Machine): readonly Reason[] {
  const needed = machine.cpu.architecture === 'x64' ? (requirements.isaX64 ?? []) : [];
  // An empty list means that nobody could read the flags.
  if (machine.cpu.isa.length === 0) return [];
  const isa: readonly string[] = machine.cpu.isa;
  const missing = needed.filter((name) => !isa.includes(name));
  if (missing.length === 0) return [];
  return [
    {
      code: 'isa-missing',
      because: `needs the instruction sets ${needed.join(', ')}, this CPU lacks ${missing.join(', ')}`,
      hint: null,
    },
  ];
}

function checkCard(requirements: Requirements, card: Target['cards'][number]): readonly Reason[] {
  const reasons: Reason[] = [];
  const { computeCapabilityMin, nvidiaDriverMin, gfx } = requirements;
  if (card.vendor === 'nvidia') {
    if (
      computeCapabilityMin !== undefined &&
      card.computeCapability !== null &&
      compareVersions(card.computeCapability, computeCapabilityMin) < 0
    ) {
      reasons.push({
        code: 'compute-capability-too-low',
        because: `needs compute capability ${computeCapabilityMin}, ${card.name} has ${card.computeCapability}`,
        hint: null,
      });
    }
    if (
      nvidiaDriverMin !== undefined &&
      card.driver !== null &&
      compareVersions(card.driver, nvidiaDriverMin) < 0
    ) {
      reasons.push({
        code: 'driver-too-old',
        because: `needs NVIDIA driver ${nvidiaDriverMin}, ${card.driver} is installed`,
        hint: `update the NVIDIA driver to ${nvidiaDriverMin} or newer`,
      });
    }
  }
  if (card.vendor === 'amd' && gfx !== undefined && card.gfx !== null && !gfx.includes(card.gfx)) {
    reasons.push({
      code: 'gfx-unsupported',
      because: `has kernels for ${gfx.join(', ')}, ${card.name} is ${card.gfx}`,
      hint: null,
    });
  }
  return reasons;
}

export function deviceName(device: DeviceKind): string {
  const names = {
    cpu: 'CPUs',
    nvidia: 'NVIDIA GPUs',
    amd: 'AMD GPUs',
    intel: 'Intel GPUs',
    apple: 'Apple Silicon',
  } satisfies Record<DeviceKind, string>;
  return names[device];
}

function platformName(platform: 'linux' | 'darwin' | 'win32'): string {
  return { linux: 'Linux', darwin: 'macOS', win32: 'Windows' }[platform];
}
