/**
 * Answers: which settings are in force, and where each comes from: flag > `HYPERLLAMA_*` variable >
 * project file > user file > default. Files are YAML; a wrong key or value is an error, not ignored.
 */
import { dirname, join, parse } from 'node:path';
import type { core } from 'zod';
import { CUSTOM_KEYS, customEngines, type CustomSettings } from './config-custom.ts';
import { errnoOf, fail, HyperLlamaError } from './errors.ts';
import { fs, readTextIfAny } from './fs.ts';
import { nearestNames } from './suggest.ts';

export interface Config {
  /** Interpreter for the services; `null` = found by itself. */
  readonly python: Setting<string | null>;
  /** Engine used where `--engine` is not given; `null` = decided. */
  readonly engine: Setting<string | null>;
  readonly device: Setting<'auto' | 'cpu' | 'gpu'>;
  /** Own names for models. */
  readonly aliases: Setting<Readonly<Record<string, string>>>;
  /** `engines.<id>.<key>`: strings that the engine's own page documents. */
  readonly engines: Setting<Readonly<Record<string, Readonly<Record<string, string>>>>>;
  /** `engines.custom.<name>`: the user's own engines and servers. */
  readonly custom: Setting<Readonly<Record<string, CustomSettings>>>;
}

export interface Setting<T> {
  readonly value: T;
  /** `default`, `HYPERLLAMA_PYTHON`, or the path of a file. */
  readonly origin: string;
}

export const PROJECT_FILE = 'hyperllama.yaml';

const DEFAULTS: Config = {
  python: { value: null, origin: 'default' },
  engine: { value: null, origin: 'default' },
  device: { value: 'auto', origin: 'default' },
  aliases: { value: {}, origin: 'default' },
  engines: { value: {}, origin: 'default' },
  custom: { value: {}, origin: 'default' },
};
/** `custom` is written under `engines`. */
const KEYS = Object.keys(DEFAULTS).filter((key) => key !== 'custom');

/** Settings that a variable can give. */
const VARIABLES = {
  python: 'HYPERLLAMA_PYTHON',
  engine: 'HYPERLLAMA_ENGINE',
  device: 'HYPERLLAMA_DEVICE',
} as const;

/** A configuration is written by hand; more than this is another file. */
const FILE_BYTES_MAX = 1024 * 1024;

/** @throws HL_CONFIG_INVALID naming the file and the key. */
export async function loadConfig(options: {
  readonly configFolder: string;
  readonly workingFolder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Then a file or variable with a mistake counts as absent, instead of being thrown. */
  readonly onMistake?: (mistake: HyperLlamaError) => void;
}): Promise<Config> {
  let config = DEFAULTS;
  const take = async (origin: string, read: () => Promise<ConfigValues>): Promise<void> => {
    try {
      config = merge(config, await read(), origin);
    } catch (error) {
      if (options.onMistake === undefined || !(error instanceof HyperLlamaError)) throw error;
      options.onMistake(error);
    }
  };
  const user = join(options.configFolder, 'config.yaml');
  for (const file of [user, ...projectFile(options.workingFolder)]) {
    await take(file, async () => {
      const text = readConfigFile(file);
      const values = text === null ? {} : await parseConfig(text, file);
      if (file !== user && values.custom !== undefined) refuseCustom(file, user);
      return values;
    });
  }
  for (const [key, variable] of Object.entries(VARIABLES)) {
    const value = options.env[variable];
    if (value === undefined || value === '') continue;
    await take(variable, async () => await validate({ [key]: value }, variable));
  }
  return config;
}

/** A project's files are other people's: they may not name programs, or send prompts elsewhere. */
function refuseCustom(file: string, user: string): never {
  const problem = `\`engines.custom\`: is read from \`${user}\` only, because a project may come from somebody else`;
  return fail('HL_CONFIG_INVALID', { file, problem, hint: `move it to \`${user}\`` });
}

type ZodIssue = core.$ZodIssue;

type ConfigValues = { [K in keyof Config]?: Config[K]['value'] | undefined };

/** Scalars are replaced, tables are merged key by key. */
function merge(config: Config, values: ConfigValues, origin: string): Config {
  const setting = <K extends keyof Config>(key: K): Config[K] =>
    values[key] === undefined ? config[key] : ({ value: values[key], origin } as Config[K]);
  return {
    python: setting('python'),
    engine: setting('engine'),
    device: setting('device'),
    aliases:
      values.aliases === undefined
        ? config.aliases
        : { value: { ...config.aliases.value, ...values.aliases }, origin },
    engines:
      values.engines === undefined
        ? config.engines
        : { value: mergeEngines(config.engines.value, values.engines), origin },
    custom: setting('custom'),
  };
}

function mergeEngines(
  below: Config['engines']['value'],
  above: Config['engines']['value'],
): Config['engines']['value'] {
  const merged: Record<string, Readonly<Record<string, string>>> = { ...below };
  for (const [id, values] of Object.entries(above)) merged[id] = { ...merged[id], ...values };
  return merged;
}

async function parseConfig(text: string, file: string): Promise<ConfigValues> {
  const { parse: parseYaml } = await import('yaml');
  let value: unknown;
  try {
    value = parseYaml(text, { maxAliasCount: 50 });
  } catch (error) {
    const words = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    const problem = words.replace(/:$/, '');
    return fail('HL_CONFIG_INVALID', { file, problem });
  }
  return await validate(value ?? {}, file);
}

async function validate(value: unknown, file: string): Promise<ConfigValues> {
  const { z } = await import('zod');
  const schema = z.strictObject({
    python: z.string().min(1).optional(),
    engine: z.string().min(1).optional(),
    device: z.enum(['auto', 'cpu', 'gpu']).optional(),
    aliases: z.record(z.string(), z.string().min(1)).optional(),
    engines: z
      .object({ custom: customEngines(z).optional() })
      .catchall(z.record(z.string(), z.string()))
      .optional(),
  });
  const result = schema.safeParse(value);
  if (result.success) {
    const { custom, ...engines } = result.data.engines ?? {};
    const isGiven = result.data.engines !== undefined;
    return { ...result.data, engines: isGiven ? engines : undefined, custom };
  }
  const issue = result.error.issues[0];
  const path = issue?.path ?? [];
  const at = path.length === 0 ? '' : `\`${path.join('.')}\`: `;
  const isCustom = path[0] === 'engines' && path[1] === 'custom';
  const hint = 'correct it there; docs/custom-engines.md has every key';
  const problem = `${at}${issueWords(issue, value)}`;
  return fail('HL_CONFIG_INVALID', { file, problem, ...(isCustom ? { hint } : {}) });
}

/** What zod found, in our words, with the value that is there. */
function issueWords(issue: ZodIssue | undefined, value: unknown): string {
  if (issue === undefined) return 'not a configuration';
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0] ?? '';
    const options = { count: 1, isAnyDistance: false };
    const known = issue.path[1] === 'custom' ? CUSTOM_KEYS : KEYS;
    const [near] = nearestNames(unknown, known, options);
    const meant = near === undefined ? '' : `; did you mean \`${near}\`?`;
    return `there is no setting \`${unknown}\`${meant}`;
  }
  if (issue.code === 'invalid_value') {
    const allowed = issue.values.map((word) => `\`${String(word)}\``).join(', ');
    return `got ${valueWords(issue, value)}, expected one of ${allowed}`;
  }
  if (issue.code === 'invalid_type') {
    const expected = EXPECTED[issue.expected] ?? 'a table of settings';
    return `got ${valueWords(issue, value)}, expected ${expected}`;
  }
  if (issue.code === 'too_big') return `is more than ${issue.maximum}`;
  if (issue.code !== 'too_small') return issue.message;
  return issue.origin === 'number' ? `is not more than ${issue.minimum}` : 'is empty';
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a text (in quotes)',
  number: 'a number',
  array: 'a list',
};

function valueWords({ path }: ZodIssue, value: unknown): string {
  let found = value;
  for (const key of path) found = (found as Readonly<Record<PropertyKey, unknown>>)[key];
  if (Array.isArray(found)) return 'a list';
  return found !== null && typeof found === 'object' ? 'a table' : `\`${String(found)}\``;
}

function readConfigFile(file: string): string | null {
  let text: string | null;
  try {
    text = readTextIfAny(file);
  } catch (error) {
    const problem = `cannot be read (${errnoOf(error) ?? String(error)})`;
    return fail('HL_CONFIG_INVALID', { file, problem }, { cause: error });
  }
  if (text !== null && text.length > FILE_BYTES_MAX) {
    return fail('HL_CONFIG_INVALID', { file, problem: `is larger than ${FILE_BYTES_MAX} bytes` });
  }
  return text;
}

/** The nearest `hyperllama.yaml` from the working folder upwards, if any. */
function projectFile(from: string): readonly string[] {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, PROJECT_FILE);
    if (fs.existsSync(file)) return [file];
    if (folder === parse(folder).root) return [];
  }
}
