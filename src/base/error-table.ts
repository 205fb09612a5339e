/**
 * Answers: everything that can go wrong, in one table: words, exit code, HTTP status. Callers match
 * on the code. `docs/errors.md` is tested against this table in both directions.
 */
import { formatBytes, formatDuration } from './units.ts';

export type Family =
  | 'usage'
  | 'machine'
  | 'model'
  | 'decision'
  | 'engine'
  | 'request'
  | 'network'
  | 'bug';

export interface Row<P> {
  readonly family: Family;
  /** Process exit code; see `hyperllama help exit-codes`. */
  readonly exitCode: number;
  readonly httpStatus: number;
  /** The same call may succeed later without a change. */
  readonly isRetryable: boolean;
  readonly message: (params: P) => string;
  readonly hint: (params: P) => string | null;
}

/** What every row may carry besides its own values: a better hint than the table's. */
export interface Common {
  readonly hint?: string;
}

function row<P extends object>(
  family: Family,
  exitCode: number,
  httpStatus: number,
  message: (params: P) => string,
  hint: (params: P) => string | null,
  isRetryable = false,
): Row<P & Common> {
  return { family, exitCode, httpStatus, isRetryable, message, hint };
}

/** The values each message needs, by code. */
export interface ErrorParams {
  HL_OPTION_INVALID: { option: string; value: string; expected: string };
  HL_USAGE: { problem: string; command: string };
  HL_COMMAND_UNKNOWN: { command: string; nearest: readonly string[] };
  HL_CONFIG_INVALID: { file: string; problem: string };
  HL_NODES_INVALID: { file: string; problems: readonly string[] };
  HL_NODES_UNUSABLE: {
    nodes: number;
    unusable: readonly { name: string; address: string; because: string }[];
  };
  HL_PYTHON_MISSING: { tried: readonly string[]; needed: string; newest?: string };
  HL_PYTHON_TOO_OLD: { python: string; version: string; needed: string; newest?: string };
  HL_PYTHON_TOO_NEW: { python: string; version: string; needed: string; newest?: string };
  HL_DISK_FULL: {
    path: string;
    bytesNeeded: number | null;
    bytesFree: number | null;
    /** As the one who found out said it. */
    because?: string;
  };
  HL_STATE_UNWRITABLE: { path: string; problem: string };
  HL_MODEL_NOT_FOUND: { ref: string; nearest: readonly string[] };
  HL_MODEL_NOT_LOCAL: { ref: string; looked: string };
  HL_MODEL_FORMAT_UNSUPPORTED: { path: string; because: string };
  HL_MODEL_CORRUPT: { path: string; because: string };
  HL_DOWNLOAD_FAILED: { what: string; because: string };
  HL_CONVERSION_FAILED: { what: string; because: string };
  HL_NO_ENGINE_FITS: {
    model: string;
    refusals: readonly {
      engine: string;
      reasons: readonly { code: string; because: string; hint: string | null }[];
    }[];
  };
  HL_PLACE_NEEDED: { held: readonly string[]; keys: readonly string[] };
  HL_ENGINE_UNKNOWN: { engine: string; known: readonly string[]; nearest: readonly string[] };
  HL_ENGINE_NOT_DRIVEN: { engine: string; alternative: string | null };
  HL_ENGINE_NOT_INSTALLED: { engine: string; id: string; because: string };
  HL_CONSENT_NEEDED: {
    engine: string;
    id: string;
    bytesDownload: number;
    bytesOnDisk: number;
    /** What is there without a question, or why that will not do; absent = it was asked for. */
    instead?: string;
  };
  HL_ENGINE_INSTALL_FAILED: { engine: string; id: string; because: string };
  HL_ENGINE_GPU_BUILD_MISSING: {
    engine: string;
    accelerator: string;
    because: string;
    /** Key of the configuration that names a build of the user's own; `null` = there is none. */
    program: string | null;
  };
  HL_ENGINE_UNUSABLE: {
    engine: string;
    /** `cpu`, `cuda`: the build that was looked at; `null` = there is none for this machine. */
    recipe: string | null;
    reasons: readonly { because: string; hint: string | null }[];
  };
  HL_ENGINE_UPDATE_REFUSED: {
    engine: string;
    id: string;
    from: string;
    to: string;
    because: string;
  };
  HL_ENGINE_NO_PREVIOUS: { engine: string; id: string; version: string };
  HL_ENGINE_IN_USE: { engine: string; id: string; sessions: readonly string[] };
  HL_ENGINE_START_TIMEOUT: {
    engine: string;
    phase: string;
    durationMs: number;
    limit: string;
  };
  HL_ENGINE_EXITED: { engine: string; how: string; phase: string };
  HL_ENGINE_OUT_OF_MEMORY: { engine: string; how: string; phase: string };
  HL_ENGINE_PORT_BUSY: { engine: string; attempts: number; because: string };
  HL_ENGINE_UNRESPONSIVE: { engine: string; what: string; durationMs: number };
  HL_ENGINE_PROTOCOL: { engine: string; because: string };
  /** `engine` is its name under `engines.custom`. */
  HL_SERVER_UNREACHABLE: { engine: string; url: string; because: string };
  HL_SERVER_UNAUTHORIZED: { engine: string; url: string; status: number; variable: string | null };
  HL_SERVER_MODEL_UNKNOWN: {
    engine: string;
    url: string;
    /** As the configuration names it; `null` = it names none. */
    model: string | null;
    has: readonly string[];
  };
  HL_SESSION_NOT_FOUND: { session: string; running: readonly string[] };
  HL_REQUEST_INVALID: { because: string };
  HL_CONTEXT_EXCEEDED: {
    promptTokens: number | null;
    contextTokens: number;
    /** Of the model itself; absent or `null` = not known. */
    contextTokensMax?: number | null;
  };
  HL_CANCELLED: { phase: string };
  HL_OFFLINE: { what: string; because: string };
  HL_INTERNAL: { because: string; log: string | null };
}
export type ErrorCode = keyof ErrorParams;

export const ERRORS: { readonly [C in ErrorCode]: Row<ErrorParams[C] & Common> } = {
  HL_OPTION_INVALID: row(
    'usage',
    2,
    400,
    (p) => `\`${p.option}\` got \`${p.value}\`, expected ${p.expected}`,
    () => 'run the command with `--help` to see its options',
  ),
  HL_USAGE: row(
    'usage',
    2,
    400,
    (p) => p.problem,
    (p) => `run \`hyperllama ${p.command} --help\` to see how it is used`,
  ),
  HL_COMMAND_UNKNOWN: row(
    'usage',
    2,
    404,
    (p) => `there is no command \`${p.command}\``,
    (p) =>
      p.nearest.length > 0
        ? `did you mean ${p.nearest.map((name) => `\`hyperllama ${name}\``).join(' or ')}?`
        : 'run `hyperllama --help` to see the commands',
  ),
  HL_CONFIG_INVALID: row(
    'usage',
    2,
    400,
    (p) => `configuration \`${p.file}\`: ${p.problem}`,
    () => 'correct it there, or remove it to get the default',
  ),
  HL_NODES_INVALID: row(
    'usage',
    2,
    400,
    (p) => `node list \`${p.file}\`: ${p.problems.join('\n  ')}`,
    () => 'docs/deploy.md shows a list with every field',
  ),
  HL_NODES_UNUSABLE: row(
    'machine',
    1,
    503,
    (p) =>
      `${p.unusable.length} of ${p.nodes} addresses cannot be used${p.unusable
        .map(({ name, address, because }) => `\n  ${name} (${address}): ${because}`)
        .join('')}`,
    () => 'mend the list or the machine, then run the command again',
    true,
  ),
  HL_PYTHON_MISSING: row(
    'machine',
    1,
    503,
    (p) => `no Python ${pythonWords(p)} was found (tried ${p.tried.join(', ')})`,
    () =>
      'install Python 3 (Debian, Ubuntu: `apt install python3 python3-pip`; macOS: `brew install python`), or name one with `--python /path/to/python3`',
  ),
  HL_PYTHON_TOO_OLD: row(
    'machine',
    1,
    503,
    (p) => `\`${p.python}\` is Python ${p.version}, but ${pythonWords(p)} is needed`,
    () => 'install a newer Python and name it with `--python /path/to/python3`',
  ),
  HL_PYTHON_TOO_NEW: row(
    'machine',
    1,
    503,
    (p) => `\`${p.python}\` is Python ${p.version}, but ${pythonWords(p)} is needed`,
    (p) =>
      `install Python ${p.newest ?? p.needed} beside it and name it with \`--python /path/to/python${p.newest ?? p.needed}\``,
  ),
  HL_DISK_FULL: row(
    'machine',
    1,
    503,
    (p) =>
      p.bytesNeeded === null || p.bytesFree === null
        ? `no space left for \`${p.path}\`${p.because === undefined ? '' : `: ${p.because}`}`
        : `\`${p.path}\` has ${formatBytes(p.bytesFree)} free, but ${formatBytes(p.bytesNeeded)} is needed`,
    () => 'free some space, or put the data elsewhere with `HYPERLLAMA_HOME=/other/disk`',
    true,
  ),
  HL_STATE_UNWRITABLE: row(
    'machine',
    1,
    503,
    (p) => `\`${p.path}\` cannot be written: ${p.problem}`,
    () =>
      'make the folder writable, or put the data elsewhere with `HYPERLLAMA_HOME=/other/folder`',
  ),
  HL_MODEL_NOT_FOUND: row(
    'model',
    5,
    404,
    (p) => `no model \`${p.ref}\` is known here`,
    (p) =>
      p.nearest.length > 0
        ? `the nearest names are ${p.nearest.map((name) => `\`${name}\``).join(', ')}; \`hyperllama list\` shows what is on this machine`
        : '`hyperllama list` shows what is on this machine',
  ),
  HL_MODEL_NOT_LOCAL: row(
    'model',
    5,
    404,
    (p) =>
      `\`${p.ref}\` is not on this machine (looked in \`${p.looked}\`), and this version does not download from a hub yet`,
    (p) =>
      `fetch it with \`hf download ${p.ref}\` and run the command again, or give the path of a file`,
  ),
  HL_MODEL_FORMAT_UNSUPPORTED: row(
    'model',
    1,
    400,
    (p) => `\`${p.path}\`: ${p.because}`,
    () => 'use a GGUF file, or a folder with config.json and safetensors files',
  ),
  HL_MODEL_CORRUPT: row(
    'model',
    1,
    422,
    (p) => `\`${p.path}\` is damaged: ${p.because}`,
    () => "fetch the file again and compare its size and sha256 with the publisher's",
  ),
  HL_DOWNLOAD_FAILED: row(
    'model',
    1,
    502,
    (p) => `could not download ${p.what}: ${p.because}`,
    () => 'run the same command again',
    true,
  ),
  HL_CONVERSION_FAILED: row(
    'model',
    1,
    500,
    (p) => `could not convert ${p.what}: ${p.because}`,
    () => 'run the same command again; nothing half-made was kept',
    true,
  ),
  HL_NO_ENGINE_FITS: row(
    'decision',
    3,
    503,
    (p) =>
      `no engine can serve ${p.model} on this machine${p.refusals
        .map((r) => `\n  ${r.engine}: ${r.reasons.map((reason) => reason.because).join('; ')}`)
        .join('')}`,
    (p) =>
      p.refusals.flatMap((r) => r.reasons).find((reason) => reason.hint !== null)?.hint ??
      '`hyperllama engines` shows which engines can run here',
  ),
  HL_PLACE_NEEDED: row(
    'decision',
    3,
    503,
    (p) => `the model does not fit beside what is kept warm and unused: ${p.held.join(', ')}`,
    (p) => `run \`hyperllama stop ${p.keys.join(' ')}\` first, or say \`--yes\``,
  ),
  HL_ENGINE_UNKNOWN: row(
    'usage',
    2,
    404,
    (p) => `there is no engine \`${p.engine}\` (known: ${p.known.join(', ')})`,
    (p) =>
      p.nearest.length > 0
        ? `did you mean ${p.nearest.map((name) => `\`${name}\``).join(' or ')}?`
        : 'docs/custom-engines.md shows how to add an engine or a server of your own; `hyperllama engines list --discover` shows the servers that answer here',
  ),
  HL_ENGINE_NOT_DRIVEN: row(
    'engine',
    6,
    501,
    (p) => `this version of HyperLlama knows ${p.engine} but cannot start it yet`,
    (p) => (p.alternative === null ? null : `leave \`--engine\` out to use ${p.alternative}`),
  ),
  HL_ENGINE_NOT_INSTALLED: row(
    'engine',
    6,
    503,
    (p) => `${p.engine} is not installed: ${p.because}`,
    (p) => `run \`hyperllama engines install ${p.id}\``,
  ),
  HL_CONSENT_NEEDED: row(
    'engine',
    6,
    503,
    (p) =>
      `${p.engine} is not installed, and nobody said yes to ${formatBytes(p.bytesDownload)} of download and ${formatBytes(p.bytesOnDisk)} on disk`,
    (p) =>
      `run \`hyperllama engines install ${p.id}\`, or give \`--yes\`${p.instead === undefined ? '' : `; ${p.instead}`}`,
  ),
  HL_ENGINE_INSTALL_FAILED: row(
    'engine',
    6,
    502,
    (p) => `${p.engine} could not be installed: ${p.because}`,
    (p) => `run \`hyperllama engines install ${p.id}\` again; nothing half-made was kept`,
    true,
  ),
  HL_ENGINE_GPU_BUILD_MISSING: row(
    'engine',
    6,
    503,
    (p) =>
      `only a CPU build of ${p.engine} can be had here (${p.because}), and it would leave ${p.accelerator} idle: expect it to be many times slower`,
    (p) =>
      `use \`--device cpu\` to go on with the CPU build${p.program === null ? '' : `, or name a GPU build of your own with \`${p.program}\` in the configuration`}`,
  ),
  HL_ENGINE_UNUSABLE: row(
    'machine',
    3,
    503,
    (p) =>
      `${p.engine}${p.recipe === null ? '' : ` (${p.recipe})`} cannot run on this machine: ${p.reasons.map(({ because }) => because).join('; ')}`,
    (p) => p.reasons.find(({ hint }) => hint !== null)?.hint ?? null,
  ),
  HL_ENGINE_UPDATE_REFUSED: row(
    'engine',
    6,
    502,
    (p) =>
      `${p.engine} ${p.to} did not answer a test question and was removed; ${p.from} stays in use: ${p.because}`,
    (p) => `go on with ${p.from}, or run \`hyperllama engines update ${p.id}\` again`,
  ),
  HL_ENGINE_NO_PREVIOUS: row(
    'engine',
    6,
    404,
    (p) => `there is no version of ${p.engine} older than ${p.version} on this machine`,
    (p) => `\`hyperllama engines update ${p.id}\` keeps the version it replaces`,
  ),
  HL_ENGINE_IN_USE: row(
    'engine',
    6,
    409,
    (p) => `${p.engine} is in use by ${p.sessions.map((name) => `\`${name}\``).join(', ')}`,
    (p) => `run \`hyperllama stop ${p.id}\` first; \`hyperllama ps\` shows what runs`,
  ),
  HL_ENGINE_START_TIMEOUT: row(
    'engine',
    6,
    504,
    (p) =>
      `${p.engine} gave up in phase \`${p.phase}\` after ${formatDuration(p.durationMs)}: ${p.limit}`,
    () => 'look at the log lines above; `--timeout` allows a longer start',
    true,
  ),
  HL_ENGINE_EXITED: row(
    'engine',
    6,
    502,
    (p) => `${p.engine} ended in phase \`${p.phase}\`: ${p.how}`,
    () => 'look at the log lines above; running the command again starts a new engine',
    true,
  ),
  HL_ENGINE_OUT_OF_MEMORY: row(
    'engine',
    6,
    503,
    (p) => `${p.engine} ran out of memory in phase \`${p.phase}\`: ${p.how}`,
    () => 'use a smaller context with `--context`, a smaller model, or free some memory',
  ),
  HL_ENGINE_PORT_BUSY: row(
    'engine',
    6,
    503,
    (p) =>
      `${p.engine} found no free address in ${p.attempts} ${p.attempts === 1 ? 'attempt' : 'attempts'}: ${p.because}`,
    () => 'run the command again, or end the program that takes the addresses',
    true,
  ),
  HL_ENGINE_UNRESPONSIVE: row(
    'engine',
    6,
    504,
    (p) => `${p.engine} sent nothing for ${formatDuration(p.durationMs)} (${p.what})`,
    () => 'run `hyperllama ps` to see the session and `hyperllama stop` to end it',
    true,
  ),
  HL_ENGINE_PROTOCOL: row(
    'engine',
    6,
    502,
    (p) => `${p.engine} answered with something unexpected: ${p.because}`,
    () => 'run the command with `--verbose` and report what it prints',
  ),
  HL_SERVER_UNREACHABLE: row(
    'engine',
    6,
    502,
    (p) => `${p.engine} at \`${p.url}\`: ${p.because}`,
    (p) =>
      `HyperLlama does not manage this server: see whether it runs, and whether \`engines.custom.${p.engine}.url\` is right; \`hyperllama engines list --discover\` shows what answers here`,
    true,
  ),
  HL_SERVER_UNAUTHORIZED: row(
    'engine',
    6,
    401,
    (p) =>
      p.variable === null
        ? `${p.engine} at \`${p.url}\` asks for a key (status ${p.status})`
        : `${p.engine} at \`${p.url}\` refuses the key in \`$${p.variable}\` (status ${p.status})`,
    (p) =>
      p.variable === null
        ? `put the key into a variable and name it: \`engines.custom.${p.engine}.key: $SERVER_KEY\``
        : 'put the right key into the variable',
  ),
  HL_SERVER_MODEL_UNKNOWN: row(
    'model',
    5,
    404,
    (p) =>
      p.model === null
        ? `${p.engine} at \`${p.url}\` serves ${p.has.length} models, and none of them is named: ${shortList(p.has)}`
        : `${p.engine} at \`${p.url}\` has no model \`${p.model}\`; it has ${shortList(p.has)}`,
    (p) =>
      `name one of them with \`engines.custom.${p.engine}.model\`${p.model === null ? ', or in place of the model' : ''}`,
  ),
  HL_SESSION_NOT_FOUND: row(
    'usage',
    2,
    404,
    (p) =>
      p.running.length === 0
        ? `no session \`${p.session}\`: nothing is running`
        : `no session \`${p.session}\` is running`,
    (p) =>
      p.running.length === 0
        ? null
        : `running: ${p.running.map((name) => `\`${name}\``).join(', ')}`,
  ),
  HL_REQUEST_INVALID: row(
    'request',
    1,
    400,
    (p) => `the request was refused: ${p.because}`,
    () => null,
  ),
  HL_CONTEXT_EXCEEDED: row(
    'request',
    1,
    400,
    (p) =>
      p.promptTokens === null
        ? `the prompt does not fit into the context of ${p.contextTokens} tokens`
        : `the prompt has ${p.promptTokens} tokens, the context holds ${p.contextTokens}`,
    (p) => {
      const max = p.contextTokensMax ?? Number.POSITIVE_INFINITY;
      if ((p.promptTokens ?? p.contextTokens) >= max) {
        return `the prompt is longer than the model can read (${max} tokens with its answer): use a shorter one`;
      }
      if (p.promptTokens === null) return 'use a larger `--context`, or a shorter prompt';
      const roomy = 2 ** Math.ceil(Math.log2(p.promptTokens + 256));
      return `use \`--context ${Math.min(roomy, max)}\`, or a shorter prompt`;
    },
  ),
  HL_CANCELLED: row(
    'request',
    130,
    499,
    (p) => `cancelled in phase \`${p.phase}\``,
    () => null,
  ),
  HL_OFFLINE: row(
    'network',
    7,
    503,
    (p) => `${p.what} is not on this machine and the package index cannot be reached: ${p.because}`,
    () => 'connect to the network once, or set `HTTPS_PROXY` / `PIP_INDEX_URL` for a mirror',
    true,
  ),
  HL_INTERNAL: row(
    'bug',
    70,
    500,
    (p) => `a bug in HyperLlama: ${p.because}`,
    (p) =>
      `report it with the output of \`hyperllama doctor --json\`${p.log === null ? '' : ` and \`${p.log}\``}`,
  ),
};

/** A server of a whole team may list hundreds. */
const NAMES_SHOWN_MAX = 8;

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).map((name) => `\`${name}\``);
  const more = names.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

function pythonWords({ needed, newest }: { needed: string; newest?: string }): string {
  return newest === undefined ? `${needed} or newer` : `${needed} to ${newest}`;
}
