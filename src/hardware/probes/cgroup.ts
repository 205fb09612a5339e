/**
 * Answers: what the control groups above this process leave it of memory and CPU time. Version 1,
 * version 2 and both at once; pure but for the reads. Formats: cgroups(7), mountinfo in proc(5).
 */
import { parseNumber, type MachineFiles } from './files.ts';

export interface CgroupLimits {
  /** The smallest limit on the way up. */
  readonly memoryBytesLimit: number | null;
  /** What the tightest group still has free: its limit less what cannot be reclaimed. */
  readonly memoryBytesLeft: number | null;
  readonly memorySource: string | null;
  /** CPU seconds a second, may be a fraction. */
  readonly cores: number | null;
  readonly coresSource: string | null;
}

export interface CgroupMount {
  readonly version: 1 | 2;
  /** The folder inside the hierarchy that is mounted: not `/` in many containers. */
  readonly root: string;
  readonly mountPoint: string;
  /** Version 1 only. */
  readonly controllers: readonly string[];
}

export interface CgroupMembership {
  /** Empty for version 2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** Version 1 says "none" as the largest page-aligned number, which depends on the page size. */
const UNLIMITED_BYTES = 2 ** 62;

/** Groups deeper than this are not walked; systemd with Kubernetes reaches about ten. */
const DEPTH_MAX = 32;

export function probeCgroups(files: MachineFiles): CgroupLimits {
  const memberships = parseMemberships(files.read('/proc/self/cgroup') ?? '');
  const mounts = parseCgroupMounts(files.read('/proc/self/mountinfo') ?? '');
  let memory: Limit = NO_LIMIT;
  let cores: Limit = NO_LIMIT;
  for (const { version, folder } of foldersOf('memory', memberships, mounts)) {
    const names = MEMORY_FILES[version];
    for (const name of names.limits) {
      const bytes = limitOf(files.read(`${folder}/${name}`));
      if (bytes === null || bytes >= UNLIMITED_BYTES) continue;
      const used = usedBytes(files, folder, version);
      const left = used === null ? null : Math.max(0, bytes - used);
      memory = smaller(memory, { value: bytes, left, source: `${folder}/${name}` });
    }
  }
  for (const { version, folder } of foldersOf('cpu', memberships, mounts)) {
    const quota =
      version === 2
        ? parseCpuMax(files.read(`${folder}/cpu.max`))
        : quotient(
            files.read(`${folder}/cpu.cfs_quota_us`),
            files.read(`${folder}/cpu.cfs_period_us`),
          );
    const name = version === 2 ? 'cpu.max' : 'cpu.cfs_quota_us';
    if (quota !== null)
      cores = smaller(cores, { value: quota, left: null, source: `${folder}/${name}` });
  }
  return {
    memoryBytesLimit: memory.value,
    memoryBytesLeft: memory.left,
    memorySource: memory.source,
    cores: cores.value,
    coresSource: cores.source,
  };
}

/** `/proc/self/cgroup`: `4:memory:/a/b` (version 1), `0::/a/b` (version 2). */
export function parseMemberships(text: string): readonly CgroupMembership[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const controllers = (match[1] ?? '').split(',').filter((name) => name !== '');
    return [{ controllers, path: match[2] ?? '/' }];
  });
}

/** The cgroup lines of `/proc/self/mountinfo`. */
export function parseCgroupMounts(text: string): readonly CgroupMount[] {
  return text.split('\n').flatMap((line) => {
    // id parent major:minor ROOT MOUNTPOINT options [optional fields] - TYPE source SUPEROPTIONS
    const match = /^\d+ \d+ \S+ (\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)$/.exec(line.trimEnd());
    if (match === null) return [];
    const [, root = '/', mountPoint = '/', type, options = ''] = match;
    return [
      {
        version: type === 'cgroup2' ? (2 as const) : (1 as const),
        root: unescapeOctal(root),
        mountPoint: unescapeOctal(mountPoint),
        controllers: type === 'cgroup2' ? [] : options.split(','),
      },
    ];
  });
}

/** `200000 100000` → 2; `max 100000` → `null`. */
export function parseCpuMax(text: string | null): number | null {
  const [quota = '', period = ''] = (text ?? '').trim().split(/\s+/);
  return quotient(quota, period);
}

interface Limit {
  readonly value: number | null;
  readonly left: number | null;
  readonly source: string | null;
}
const NO_LIMIT: Limit = { value: null, left: null, source: null };

/** `memory.high` stalls a process that passes it, which for an engine is as good as a limit. */
const MEMORY_FILES = {
  1: {
    limits: ['memory.limit_in_bytes'],
    used: 'memory.usage_in_bytes',
    cache: 'total_inactive_file',
  },
  2: { limits: ['memory.max', 'memory.high'], used: 'memory.current', cache: 'inactive_file' },
} as const;

function smaller(a: Limit, b: Limit): Limit {
  const lefts = [a.left, b.left].filter((left) => left !== null);
  const left = lefts.length === 0 ? null : Math.min(...lefts);
  const isA = a.value !== null && (b.value === null || a.value <= b.value);
  return { value: isA ? a.value : b.value, source: isA ? a.source : b.source, left };
}

/** The folders from the process's own group up to the mount point, for one controller. */
function foldersOf(
  controller: 'memory' | 'cpu',
  memberships: readonly CgroupMembership[],
  mounts: readonly CgroupMount[],
): readonly { version: 1 | 2; folder: string }[] {
  return mounts.flatMap((mount) => {
    if (mount.version === 1 && !mount.controllers.includes(controller)) return [];
    const membership = memberships.find(({ controllers }) =>
      mount.version === 2 ? controllers.length === 0 : controllers.includes(controller),
    );
    if (membership === undefined) return [];
    return ancestors(relativePath(membership.path, mount.root)).map((path) => ({
      version: mount.version,
      folder: path === '' ? mount.mountPoint : `${mount.mountPoint}/${path}`,
    }));
  });
}

/** Where the group lies under the mount; its own top when a namespace hides the real place. */
function relativePath(path: string, root: string): string {
  if (path.split('/').includes('..')) return '';
  const prefix = root === '/' ? '/' : `${root}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : '';
}

/** `a/b` → `a/b`, `a`, `` (the mount point itself). */
function ancestors(path: string): readonly string[] {
  const names = path
    .split('/')
    .filter((name) => name !== '')
    .slice(0, DEPTH_MAX);
  return Array.from({ length: names.length + 1 }, (_, up) =>
    names.slice(0, names.length - up).join('/'),
  );
}

/** Page cache that the kernel drops first does not count as used. */
function usedBytes(files: MachineFiles, folder: string, version: 1 | 2): number | null {
  const names = MEMORY_FILES[version];
  const used = parseNumber(files.read(`${folder}/${names.used}`));
  if (used === null) return null;
  const stat = files.read(`${folder}/memory.stat`) ?? '';
  const cache = new RegExp(`^${names.cache} (\\d+)$`, 'm').exec(stat);
  return used - Math.min(used, Number(cache?.[1] ?? 0));
}

function limitOf(text: string | null): number | null {
  return parseNumber(text);
}

function quotient(quota: string | null, period: string | null): number | null {
  const above = parseNumber(quota);
  const below = parseNumber(period);
  return above === null || below === null || above === 0 || below === 0 ? null : above / below;
}

/** mountinfo writes a space as `\040`. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 8)),
  );
}
