/** Answers: which operating system this is, as far as an engine's binaries care. */
import type { OperatingSystem } from '../machine.ts';
import { type MachineFiles, sourcesOf, type Sourced } from './files.ts';

type Libc = NonNullable<OperatingSystem['libc']>;

const OS_RELEASE_FILES = ['/etc/os-release', '/usr/lib/os-release'];
const KERNEL_RELEASE = '/proc/sys/kernel/osrelease';
const LDD = '/usr/bin/ldd';

/** Each is left behind by one container tool: Docker, Podman and CRI-O, systemd-nspawn. */
const CONTAINER_FILES = ['/.dockerenv', '/run/.containerenv', '/run/systemd/container'];

export function probeOperatingSystem(
  files: MachineFiles,
  env: NodeJS.ProcessEnv,
): Sourced<OperatingSystem> {
  const file = OS_RELEASE_FILES.find((path) => files.exists(path)) ?? '/etc/os-release';
  const name = parseOsRelease(files.read(file) ?? '');
  const release = files.read(KERNEL_RELEASE)?.trim() ?? null;
  const libc = probeLibc(files);
  const container = findContainerSign(files, env);
  const isWsl = release === null ? null : isWslRelease(release);
  return {
    value: { platform: 'linux', name, release, libc, isWsl, isContainer: container !== null },
    sources: {
      'os.platform': 'process.platform',
      ...sourcesOf('os', { name }, file),
      ...sourcesOf('os', { release, isWsl }, KERNEL_RELEASE),
      ...sourcesOf('os', { libc }, LDD),
      'os.isContainer': container ?? `none of ${CONTAINER_FILES.join(', ')}`,
    },
  };
}

/** The name for people of os-release(5). */
export function parseOsRelease(text: string): string | null {
  const field = (key: string): string | null => {
    const match = new RegExp(`^${key}=(.*)$`, 'm').exec(text);
    const value = (match?.[1] ?? '').trim().replace(/^(["'])(.*)\1$/, '$2');
    return value === '' ? null : value;
  };
  return field('PRETTY_NAME') ?? field('NAME');
}

/**
 * `/usr/bin/ldd` is a shell script that names its library: glibc's carries its version, musl's runs
 * `ld-musl`. Reading it costs no child process.
 */
export function parseLdd(script: string): Libc | null {
  if (/\bld-musl\b|\bmusl libc\b/.test(script)) return { name: 'musl', version: null };
  const glibc = /ldd \([^)\n]*(?:GLIBC|GNU libc|glibc)[^)\n]*\) (\d+\.\d+)/i.exec(script);
  if (glibc !== null) return { name: 'glibc', version: glibc[1] ?? null };
  return /GNU C Library|GNU libc/.test(script) ? { name: 'glibc', version: null } : null;
}

/** WSL 2 names itself `…-microsoft-standard-WSL2`, WSL 1 `…-Microsoft`. */
export function isWslRelease(release: string): boolean {
  return /microsoft/i.test(release);
}

/** Bytes of `ldd` read: it is a script of about 5 KB, and a link to the loader on musl. */
const LDD_BYTES_MAX = 16 * 1024;

function probeLibc(files: MachineFiles): Libc | null {
  const script = files.readStart(LDD, LDD_BYTES_MAX);
  const read = script === null ? null : parseLdd(script);
  if (read !== null) return read;
  return files.list('/lib').some((name) => name.startsWith('ld-musl-'))
    ? { name: 'musl', version: null }
    : null;
}

function findContainerSign(files: MachineFiles, env: NodeJS.ProcessEnv): string | null {
  const file = CONTAINER_FILES.find((path) => files.exists(path));
  if (file !== undefined) return file;
  if ((env['container'] ?? '') !== '') return 'environment variable `container`';
  if ((env['KUBERNETES_SERVICE_HOST'] ?? '') !== '') {
    return 'environment variable `KUBERNETES_SERVICE_HOST`';
  }
  const groups = files.read('/proc/self/cgroup') ?? '';
  return /\/(?:docker|kubepods|lxc|libpod|containerd)[/.-]/.test(groups)
    ? '/proc/self/cgroup'
    : null;
}
