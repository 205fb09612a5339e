/**
 * Answers: what a `llama-server` that somebody else installed is: its build, its devices, and why it
 * may be too old for our flags.
 */
import type { DeviceKind, Installation, ProgramSupport } from '../engine.ts';
import { compareVersions } from './versions.ts';

/** Older builds have `--mmap`/`--mlock` where `--load-mode` is now, and another default port. */
const BUILD_MIN = 10_884;
/** Releases are numbered like this since; the build number may then be missing. */
const VERSION_MIN = '0.5';

/** As its device list names them, `CUDA0: NVIDIA GeForce RTX 3080 Ti (11909 MiB, …)`. */
const DEVICE_NAMES: readonly (readonly [RegExp, readonly DeviceKind[]])[] = [
  [/^\s*CUDA\d+:/m, ['nvidia']],
  [/^\s*(?:ROCm|HIP)\d+:/m, ['amd']],
  [/^\s*SYCL\d+:/m, ['intel']],
  [/^\s*(?:Metal|MTL)\d*:/m, ['apple']],
  [/^\s*Vulkan\d+:.*NVIDIA/m, ['nvidia']],
  [/^\s*Vulkan\d+:.*(?:AMD|Radeon)/m, ['amd']],
  [/^\s*Vulkan\d+:.*Intel/m, ['intel']],
];

/** Why a version will not do; `null` when it is new enough or cannot be read. */
export function refuseVersion(version: string): string | null {
  const build = /(\d{4,6})(?:-[0-9a-z]+)?$/.exec(version)?.[1];
  if (build !== undefined) {
    return Number(build) >= BUILD_MIN ? null : `is build ${build}, older than ${BUILD_MIN}`;
  }
  if (!/^v?\d+\.\d+/.test(version)) return null;
  return compareVersions(version, VERSION_MIN) >= 0
    ? null
    : `is version ${version}, older than ${VERSION_MIN}`;
}

export function refuseInstallation({ version, path }: Installation): string | null {
  const because = refuseVersion(version);
  return because === null ? null : `\`${path}\` ${because}`;
}

export const LLAMA_SERVER: ProgramSupport = {
  name: 'llama-server',
  versionArgs: ['--version'],
  devicesArgs: ['--list-devices'],
  readVersion: (text, devicesText) => {
    const version = /^version:\s*(\S+)/m.exec(text)?.[1];
    if (version === undefined) return null;
    const found = DEVICE_NAMES.filter(([pattern]) => pattern.test(devicesText));
    const devices = new Set<DeviceKind>(['cpu', ...found.flatMap(([, kinds]) => kinds)]);
    return { version, devices: [...devices], refusal: refuseVersion(version) };
  },
};
