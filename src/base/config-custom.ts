/**
 * Answers: what may stand under `engines.custom.<name>` of the configuration: the command of an
 * engine that we start, or the address of a server that somebody else runs. `docs/custom-engines.md`
 * has the keys.
 */
import type { z as Z, ZodType } from 'zod';
import type { Address } from './http.ts';
import { nearestNames } from './suggest.ts';
import { splitWords } from './words.ts';

export interface CommandSettings {
  readonly kind: 'command';
  /** Program and arguments, placeholders not filled in yet. */
  readonly words: readonly [string, ...string[]];
  readonly listen: 'unix' | 'tcp';
  /** Page that answers 200 once the model is loaded. */
  readonly ready: string;
  readonly formats: readonly CustomFormat[];
  readonly devices: readonly CustomDevice[];
  readonly environment: Readonly<Record<string, string>>;
  /** What requests call the model; `null` = the name in `{served-name}`. */
  readonly model: string | null;
  readonly startSeconds: number;
}

export interface ServerSettings {
  readonly kind: 'server';
  /** As it is shown: `http://127.0.0.1:8000`, `unix:/run/server.sock`. */
  readonly url: string;
  readonly address: Address;
  /** Before `/v1/…`: empty, or `/engines`. */
  readonly base: string;
  /** Name of the variable that holds the key; `null` = none is sent. */
  readonly keyVariable: string | null;
  /** What requests call the model; `null` = see `docs/custom-engines.md`. */
  readonly model: string | null;
}

export type CustomSettings = CommandSettings | ServerSettings;

const FORMATS = ['gguf', 'safetensors', 'awq', 'gptq', 'fp8', 'mlx', 'exl2', 'exl3'] as const;
export type CustomFormat = (typeof FORMATS)[number];

const DEVICES = ['cpu', 'nvidia', 'amd', 'intel', 'apple'] as const;
export type CustomDevice = (typeof DEVICES)[number];

const PLACEHOLDERS: readonly string[] = [
  'model',
  'port',
  'socket',
  'host',
  'context',
  'slots',
  'served-name',
];

/** Every server of the OpenAI dialect has it, and it costs nothing. */
const READY_DEFAULT = '/v1/models';
/** An engine nobody knows may compile or convert first; a stalled one is given up long before. */
const START_SECONDS_DEFAULT = 1800;
const START_SECONDS_MAX = 24 * 3600;

const COMMAND_KEYS = ['ready', 'formats', 'devices', 'environment', 'startSeconds'] as const;
const SERVER_KEYS = ['key'] as const;

export const CUSTOM_KEYS: readonly string[] = [
  'command',
  'url',
  'dialect',
  'model',
  ...COMMAND_KEYS,
  ...SERVER_KEYS,
];

type Report = (path: readonly PropertyKey[], message: string) => void;

/** The table `engines.custom`, by name. `z` comes from the caller, who loads zod late. */
export function customEngines(z: typeof Z): ZodType<Readonly<Record<string, CustomSettings>>> {
  const text = z.string().min(1);
  const engine = z
    .strictObject({
      command: z.unknown().optional(),
      url: text.optional(),
      dialect: z.enum(['openai']).optional(),
      model: text.optional(),
      key: z.unknown().optional(),
      ready: text.optional(),
      formats: z.array(z.enum(FORMATS)).min(1).optional(),
      devices: z.array(z.enum(DEVICES)).min(1).optional(),
      environment: z.record(z.string(), z.string()).optional(),
      startSeconds: z.number().positive().max(START_SECONDS_MAX).optional(),
    })
    .transform((raw, context): CustomSettings => {
      const report: Report = (path, message) => {
        context.addIssue({ code: 'custom', path: [...path], message });
      };
      return read(raw, report) ?? z.NEVER;
    });
  return z.record(z.string(), engine).superRefine((engines, context) => {
    for (const name of Object.keys(engines)) {
      if (/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) continue;
      const message = 'the name of an engine has 1 to 32 small letters, digits and hyphens';
      context.addIssue({ code: 'custom', path: [name], message });
    }
  });
}

interface Raw {
  readonly command?: unknown;
  readonly url?: string | undefined;
  readonly model?: string | undefined;
  readonly key?: unknown;
  readonly ready?: string | undefined;
  readonly formats?: readonly CustomFormat[] | undefined;
  readonly devices?: readonly CustomDevice[] | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly startSeconds?: number | undefined;
}

/** `null` after a report. */
function read(raw: Raw, report: Report): CustomSettings | null {
  const isCommand = raw.command !== undefined;
  if (isCommand === (raw.url !== undefined)) {
    const [not, and] = isCommand ? ['both', 'and'] : ['neither', 'nor'];
    report([], `has ${not} \`command\` (an engine to start) ${and} \`url\` (a server that runs)`);
    return null;
  }
  for (const key of isCommand ? SERVER_KEYS : COMMAND_KEYS) {
    if (raw[key] === undefined) continue;
    const [own, other] = isCommand ? ['command', 'url'] : ['url', 'command'];
    report([key], `belongs to an engine with \`${other}\`, this one has \`${own}\``);
    return null;
  }
  return isCommand ? readCommand(raw, report) : readServer(raw, report);
}

function readCommand(raw: Raw, report: Report): CommandSettings | null {
  const words = readWords(raw.command, report);
  if (words === null) return null;
  const text = words.join(' ');
  const hasPort = text.includes('{port}');
  if (hasPort === text.includes('{socket}')) {
    const [not, and] = hasPort ? ['both', 'and'] : ['neither', 'nor'];
    const found = `holds ${not} \`{port}\` ${and} \`{socket}\``;
    report(['command'], `${found}, expected one: where it shall listen`);
    return null;
  }
  if (raw.formats === undefined) {
    report(['formats'], `is missing, expected a list of ${inWords(FORMATS)}`);
    return null;
  }
  if (raw.ready !== undefined && !raw.ready.startsWith('/')) {
    report(['ready'], `got \`${raw.ready}\`, expected a path such as \`/health\``);
    return null;
  }
  return {
    kind: 'command',
    words,
    listen: hasPort ? 'tcp' : 'unix',
    ready: raw.ready ?? READY_DEFAULT,
    formats: raw.formats,
    // Who wrote the command knows what it computes on; nobody knows better.
    devices: raw.devices ?? DEVICES,
    environment: raw.environment ?? {},
    model: raw.model ?? null,
    startSeconds: raw.startSeconds ?? START_SECONDS_DEFAULT,
  };
}

function readWords(command: unknown, report: Report): readonly [string, ...string[]] | null {
  const refuse = (message: string, at: readonly number[] = []): null => {
    report(['command', ...at], message);
    return null;
  };
  if (typeof command !== 'string' && !Array.isArray(command)) {
    return refuse('expected a text, or a list with one word each');
  }
  const list: readonly unknown[] | null =
    typeof command === 'string' ? splitWords(command) : command;
  if (list === null) return refuse('has a quote that is not closed, or ends in a backslash');
  const words: string[] = [];
  for (const [at, word] of list.entries()) {
    if (typeof word !== 'string') {
      return refuse(`got \`${String(word)}\`, expected a text (in quotes)`, [at]);
    }
    const unknown = placeholdersIn(word).find((name) => !PLACEHOLDERS.includes(name));
    if (unknown !== undefined) {
      const [near] = nearestNames(unknown, PLACEHOLDERS, { count: 1, isAnyDistance: false });
      const known = PLACEHOLDERS.map((name) => `\`{${name}}\``).join(', ');
      const meant = near === undefined ? `known: ${known}` : `did you mean \`{${near}}\`?`;
      return refuse(`there is no placeholder \`{${unknown}}\`; ${meant}`);
    }
    words.push(word);
  }
  const [program, ...rest] = words;
  if (program === undefined || program === '') return refuse('is empty');
  if (program.includes('/') && !program.startsWith('/')) {
    return refuse(`\`${program}\` is neither an absolute path nor a name on PATH`);
  }
  return [program, ...rest];
}

/** `{model}` is one; `{"a": 1}` and `{Model}` are text. */
function placeholdersIn(word: string): readonly string[] {
  return [...word.matchAll(/\{([a-z-]+)\}/g)].map((match) => match[1] ?? '');
}

function readServer(raw: Raw, report: Report): ServerSettings | null {
  const place = readUrl(raw.url ?? '');
  if (typeof place === 'string') {
    report(['url'], place);
    return null;
  }
  const keyVariable =
    typeof raw.key === 'string' ? /^\$([A-Za-z_][A-Za-z0-9_]*)$/.exec(raw.key)?.[1] : undefined;
  if (raw.key !== undefined && keyVariable === undefined) {
    // What stands there may be the key itself: it is not repeated.
    report(['key'], 'expected the name of a variable, such as `$SERVER_KEY`, never the key itself');
    return null;
  }
  return {
    kind: 'server',
    ...place,
    keyVariable: keyVariable ?? null,
    model: raw.model ?? null,
  };
}

const URL_EXPECTED =
  'expected `http://HOST:PORT`, with a path where the server has one, or `unix:/PATH/OF/SOCKET`';

/** A sentence when it is none. It never repeats the text, which may hold a password. */
function readUrl(text: string): Pick<ServerSettings, 'url' | 'address' | 'base'> | string {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) {
    return { url: `unix:${path}`, address: { kind: 'unix', path }, base: '' };
  }
  const url = URL.parse(text);
  if (url === null) return URL_EXPECTED;
  if (url.protocol === 'https:') return `this version speaks no TLS to servers; ${URL_EXPECTED}`;
  const hasMore = url.username + url.password + url.search + url.hash !== '';
  if (url.protocol !== 'http:' || hasMore) return URL_EXPECTED;
  // `/v1` is part of what clients call the base URL: with and without it mean the same.
  const base = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  const port = url.port === '' ? 80 : Number(url.port);
  const address: Address = { kind: 'tcp', host: url.hostname, port };
  return { url: `http://${url.hostname}:${port}${base}`, address, base };
}

function inWords(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}
