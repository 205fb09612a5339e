/**
 * Answers: where our files lie. XDG folders, or everything under `HYPERLLAMA_HOME` when it is set.
 */
import { join, resolve } from 'node:path';

export interface Paths {
  /** Engine environments and models: large, can be made again. */
  readonly data: string;
  /** Session ledger and logs. */
  readonly state: string;
  /** What was found out once: descriptions of models, the Python that was chosen. */
  readonly cache: string;
  /** Folder of config.yaml. */
  readonly config: string;
  /** Sockets of running sessions, 0700. */
  readonly run: string;
}

/** From the environment alone; makes no folder. */
export function resolvePaths(env: NodeJS.ProcessEnv = process.env): Paths {
  const home = env['HYPERLLAMA_HOME'];
  if (home !== undefined && home !== '') {
    const root = resolve(home);
    return {
      data: join(root, 'data'),
      state: join(root, 'state'),
      cache: join(root, 'cache'),
      config: join(root, 'config'),
      run: join(root, 'run'),
    };
  }
  const xdg = (name: string, fallback: string): string => {
    const value = env[name];
    const base =
      value !== undefined && value.startsWith('/') ? value : join(homeFolder(env), fallback);
    return join(base, 'hyperllama');
  };
  const state = xdg('XDG_STATE_HOME', '.local/state');
  const runtime = env['XDG_RUNTIME_DIR'];
  return {
    data: xdg('XDG_DATA_HOME', '.local/share'),
    state,
    cache: xdg('XDG_CACHE_HOME', '.cache'),
    config: xdg('XDG_CONFIG_HOME', '.config'),
    run:
      runtime !== undefined && runtime.startsWith('/')
        ? join(runtime, 'hyperllama')
        : join(state, 'run'),
  };
}

/**
 * Longest path of a unix socket that every engine takes: Linux allows 107 bytes, macOS 103, and
 * llama.cpp fails with a generic message beyond.
 */
const SOCKET_PATH_BYTES_MAX = 100;

/** Folder for a session's sockets: under `run`, or in the temporary folder when that is too long. */
export function sessionRunFolder(paths: Paths, key: string): string {
  const folder = join(paths.run, key);
  if (Buffer.byteLength(join(folder, 'e.sock')) <= SOCKET_PATH_BYTES_MAX) return folder;
  const user = typeof process.getuid === 'function' ? process.getuid() : 'user';
  return join(process.getBuiltinModule('node:os').tmpdir(), `hyperllama-${user}`, key);
}

/** Loads `node:os`, which takes half a millisecond of a start, only where `HOME` does not say it. */
export function homeFolder(env: NodeJS.ProcessEnv): string {
  const home = env['HOME'];
  return home !== undefined && home !== '' ? home : process.getBuiltinModule('node:os').homedir();
}

/** A path as a person types it, made absolute: `~` is the home folder. */
export function userPath(text: string, env: NodeJS.ProcessEnv): string {
  return resolve(text.replace(/^~(?=\/|$)/, homeFolder(env)));
}

/** The folder `python-services/` of this installation, next to `src/` or `dist/`. */
export function servicesFolder(): string {
  return join(import.meta.dirname, '../../python-services/');
}
