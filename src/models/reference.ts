/**
 * Answers: what the text a user wrote for a model means, from the text alone. Names are data:
 * checked by a grammar, never joined to a path unchecked. Whether it exists is `describe.ts`'s.
 */
import {
  EXPECTED,
  HUB_NAME,
  refuse,
  refuseVariant,
  SHORT_NAME,
  SIZE,
  TAG,
  TEXT_LENGTH_MAX,
  VARIANT,
  type Reference,
  type ShortReference,
} from './reference-grammar.ts';
import { innerPath, parseHub, parsePage } from './reference-hub.ts';

export type { HubReference, Reference, ShortReference } from './reference-grammar.ts';

/** @throws HL_OPTION_INVALID naming what was expected. */
export function parseReference(text: string): Reference {
  if (text === '' || text.length > TEXT_LENGTH_MAX) refuse(text, EXPECTED);
  if (text.startsWith('-')) refuse(text, `${EXPECTED}; a name does not begin with \`-\``);
  if (CONTROL.test(text)) refuse(text, `${EXPECTED}, without control characters`);
  if (isPathLike(text)) return { kind: 'path', path: text };
  const name = text.normalize('NFC');
  const scheme = SCHEME.exec(name);
  const [, kind, body] = scheme ?? [];
  if (kind !== undefined && body !== undefined) return parseScheme(text, kind.toLowerCase(), body);
  const page = HUB_PAGE.exec(name)?.[1];
  if (page !== undefined) return parsePage(text, page);
  return name.includes('/') ? parseHub(text, name) : parseShort(text, name);
}

/** The reference as text that parses to the same reference. */
export function formatReference(reference: Reference): string {
  switch (reference.kind) {
    case 'path':
      return isBarePath(reference.path) ? reference.path : `file:${reference.path}`;
    case 'hub': {
      const { repo, variant, revision, path } = reference;
      return `hf:${repo}${suffix(':', variant)}${suffix('@', revision)}${suffix('/', path)}`;
    }
    case 'ollama':
      return `ollama:${reference.name}${suffix(':', reference.tag)}`;
    case 'lmstudio':
      return `lmstudio:${reference.repo}${suffix('/', reference.path)}`;
    case 'package':
      return `pypi:${reference.name}`;
    case 'short':
      return `${reference.name}${suffix(':', reference.size)}${suffix(':', reference.variant)}`;
    case 'url':
      break;
  }
  return reference.url;
}

function suffix(mark: string, part: string | null): string {
  return part === null ? '' : `${mark}${part}`;
}

/**
 * Written as a path, so that a missing file is reported as a missing file. A repository has
 * exactly one slash; names of weight files are taken for files.
 */
function isPathLike(text: string): boolean {
  if (/^(?:\/|\.\.?(?:\/|$)|~(?:\/|$))/.test(text)) return true;
  if (SCHEME.test(text) || HUB_PAGE.test(text)) return false;
  return text.split('/').length > 2 || WEIGHT_FILE.test(text);
}

/** A path that reads as one without `file:`; what begins with `-` would be refused as an option. */
function isBarePath(path: string): boolean {
  return isPathLike(path) && !path.startsWith('-');
}

const CONTROL = /\p{Cc}/u;
const SCHEME = /^(hf|ollama|lmstudio|pypi|https?|file):(.*)$/is;
const HUB_PAGE = /^(?:www\.)?(?:huggingface\.co|hf\.co)\/(.*)$/is;
const WEIGHT_FILE = /\.(?:gguf|safetensors|bin|pth?|ckpt|pkl)$/i;

function parseScheme(text: string, kind: string, body: string): Reference {
  switch (kind) {
    case 'hf':
      return parseHub(text, body);
    case 'ollama': {
      const [name = '', tag = null, ...rest] = body.split(':');
      const isName = name.split('/').every((part) => TAG.test(part)) && name.split('/').length <= 3;
      if (!isName || rest.length > 0 || (tag !== null && !TAG.test(tag))) {
        refuse(text, '`ollama:NAME[:TAG]`');
      }
      return { kind: 'ollama', name, tag };
    }
    case 'lmstudio': {
      const [publisher = '', model = '', ...rest] = body.split('/');
      if (!HUB_NAME.test(publisher) || !HUB_NAME.test(model)) {
        refuse(text, '`lmstudio:PUBLISHER/MODEL[/FILE]`');
      }
      return { kind: 'lmstudio', repo: `${publisher}/${model}`, path: innerPath(text, rest) };
    }
    case 'pypi':
      if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?$/.test(body)) {
        refuse(text, '`pypi:PACKAGE`');
      }
      return { kind: 'package', name: body };
    case 'file':
      return { kind: 'path', path: filePath(text, body) };
    default:
      return parseUrl(text);
  }
}

function filePath(text: string, body: string): string {
  if (body === '') refuse(text, '`file:PATH`');
  if (!body.startsWith('//')) return body;
  try {
    const url = new URL(text);
    const path = decodeURIComponent(url.pathname);
    if (url.host === '' && path !== '' && !CONTROL.test(path)) return path;
  } catch {
    // Falls through to the refusal.
  }
  return refuse(text, '`file:///absolute/path`');
}

function parseUrl(text: string): Reference {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return refuse(text, 'a complete address (`https://host/path`)');
  }
  if (url.protocol !== 'https:') refuse(text, 'an `https:` address');
  if (url.username !== '' || url.password !== '') refuse(text, 'an address without a password');
  if (!/^(?:www\.)?(?:huggingface\.co|hf\.co)$/.test(url.hostname)) {
    return { kind: 'url', url: url.href };
  }
  return parsePage(text, url.pathname.slice(1));
}

function parseShort(text: string, name: string): ShortReference {
  const [head = '', ...tags] = name.split(':');
  if (!SHORT_NAME.test(head) || tags.length > 2 || !tags.every((tag) => TAG.test(tag))) {
    refuse(text, EXPECTED);
  }
  const [first = null, second = null] = tags;
  if (second !== null) {
    if (!VARIANT.test(second)) refuseVariant(text, second);
    return { kind: 'short', name: head, size: first, variant: second };
  }
  const isVariant = first !== null && VARIANT.test(first) && !SIZE.test(first);
  return isVariant
    ? { kind: 'short', name: head, size: null, variant: first }
    : { kind: 'short', name: head, size: first, variant: null };
}
