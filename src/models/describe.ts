/**
 * Answers: which model a reference means, looked for in this order: existing file, explicit scheme,
 * the user's alias, stores on this machine, catalog. Nothing is fetched, nothing is guessed.
 */
import { fail } from '../base/errors.ts';
import { nearestNames } from '../base/suggest.ts';
import { catalogEntries, fetchableOfPackage, findInCatalog } from './catalog.ts';
import { describeDemo } from './describe-demo.ts';
import { describePath, isModelFolder } from './describe-path.ts';
import {
  describeFamily,
  describeHub,
  describeLmStudio,
  describeLocalHit,
  describeOllama,
} from './describe-store.ts';
import type { ModelInfo } from './model.ts';
import { parseReference, type Reference, type ShortReference } from './reference.ts';
import { hubFolder, listHubRepos } from './store-hub.ts';

export interface DescribeOptions {
  /** Where our own models lie. */
  readonly dataFolder: string;
  /** Where descriptions are kept; `null` = nowhere. */
  readonly cacheFolder: string | null;
  readonly env: NodeJS.ProcessEnv;
  /** The user's own names for references. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** An alias may name another one, but not for ever. */
const ALIAS_STEPS_MAX = 8;
const NEAREST_COUNT = 3;

/**
 * @throws HL_OPTION_INVALID for what is no reference, HL_MODEL_NOT_FOUND, HL_MODEL_NOT_LOCAL,
 *   HL_MODEL_FORMAT_UNSUPPORTED, HL_MODEL_CORRUPT, HL_CANCELLED
 */
export async function describeModel(text: string, options: DescribeOptions): Promise<ModelInfo> {
  if (options.signal?.aborted === true) fail('HL_CANCELLED', { phase: 'resolve' });
  const asked = parseReference(text);
  const isName = asked.kind === 'short' || asked.kind === 'hub';
  if (isName && (await isModelFolder(text))) return await describePath(text, options);
  const reference = resolveAlias(text, asked, options.aliases);
  switch (reference.kind) {
    case 'path':
      return await describePath(reference.path, options);
    case 'hub':
      return await describeHub(reference, options);
    case 'ollama':
      return await describeOllama(reference, options);
    case 'lmstudio':
      return await describeLmStudio(reference, options);
    case 'package': {
      const match = fetchableOfPackage(reference.name);
      return match === null
        ? await refuseUnknown(text, options)
        : await describeDemo(null, options.dataFolder);
    }
    case 'short':
      return await describeShort(text, reference, options);
    case 'url':
      break;
  }
  return fail('HL_MODEL_NOT_LOCAL', {
    ref: reference.url,
    looked: 'this machine',
    hint: 'fetch the file with your own tool and give its path',
  });
}

async function describeShort(
  text: string,
  reference: ShortReference,
  options: DescribeOptions,
): Promise<ModelInfo> {
  const local = await describeLocalHit(reference, options);
  if (local !== null) return local;
  const match = findInCatalog(reference);
  if (match === null) return await refuseUnknown(text, options);
  return match.kind === 'family'
    ? await describeFamily(match.family, reference.variant, options)
    : await describeDemo(reference.variant, options.dataFolder);
}

/** Follows the user's aliases; an explicit scheme and a path are never one. */
function resolveAlias(
  text: string,
  asked: Reference,
  aliases: Readonly<Record<string, string>>,
): Reference {
  let name = text;
  let reference = asked;
  for (let step = 0; step < ALIAS_STEPS_MAX; step += 1) {
    const target = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
    const mayBeAlias =
      reference.kind === 'short' || (reference.kind === 'hub' && !/^hf:/i.test(name));
    if (target === undefined || !mayBeAlias) return reference;
    name = target;
    reference = parseReference(target);
  }
  return fail('HL_OPTION_INVALID', {
    option: `aliases.${text}`,
    value: aliases[text] ?? '',
    expected: 'an alias that ends at a model, not one that leads back to itself',
  });
}

async function refuseUnknown(text: string, options: DescribeOptions): Promise<never> {
  const entries = catalogEntries();
  const atHand = new Set([
    ...entries.filter(({ isFetchable }) => isFetchable).map(({ ref }) => ref),
    ...Object.keys(options.aliases),
    ...(await listHubRepos(hubFolder(options.env))),
  ]);
  const nearest = nearestNames(text, [...new Set([...atHand, ...entries.map(({ ref }) => ref)])], {
    count: NEAREST_COUNT,
    isAnyDistance: true,
  });
  const usable = nearest.filter((name) => atHand.has(name));
  const others = nearest.filter((name) => !atHand.has(name));
  const quoted = (names: readonly string[]): string =>
    names.map((name) => `\`${name}\``).join(', ');
  const parts = [
    ...(usable.length === 0 ? [] : [`the nearest names are ${quoted(usable)}`]),
    ...(others.length === 0 ? [] : [`known, but not fetched by this version: ${quoted(others)}`]),
    '`hyperllama list` shows what is on this machine',
  ];
  return fail('HL_MODEL_NOT_FOUND', {
    ref: text,
    nearest: [...usable, ...others],
    hint: parts.join('; '),
  });
}
