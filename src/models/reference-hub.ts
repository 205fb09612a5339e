/**
 * Answers: which repository of the hub a text names, with variant, revision and file.
 */
import {
  HUB_NAME,
  refuse,
  refuseVariant,
  REVISION,
  VARIANT,
  type HubReference,
} from './reference-grammar.ts';

/** A page of the hub as pasted from a browser: `ORG/REPO/blob/REV/PATH`, `…/tree/REV`. */
export function parsePage(text: string, page: string): HubReference {
  const clean = (page.split(/[?#]/)[0] ?? '').replace(/\/+$/, '');
  const [org = '', repo = '', view, ...rest] = clean.split('/');
  if (view === undefined) return parseHub(text, clean);
  if (!['blob', 'tree', 'resolve', 'raw'].includes(view)) {
    return refuse(text, 'the page of a model (`https://huggingface.co/ORG/REPO`)');
  }
  const isPull = rest[0] === 'refs' && rest[1] === 'pr';
  const revision = rest.slice(0, isPull ? 3 : 1).join('/');
  const path = rest.slice(isPull ? 3 : 1).join('/');
  return parseHub(
    text,
    `${org}/${repo}${revision === '' ? '' : `@${revision}`}${path === '' ? '' : `/${path}`}`,
  );
}

export function parseHub(text: string, body: string): HubReference {
  const expected = '`hf:ORG/REPO[:VARIANT][@REVISION][/PATH]`';
  const [org = '', second = '', ...rest] = body.split('/');
  const at = second.indexOf('@');
  let revision = at < 0 ? null : second.slice(at + 1);
  // The one kind of revision with slashes of its own.
  if (revision === 'refs' && rest[0] === 'pr') {
    revision = ['refs', ...rest.splice(0, 2)].join('/');
  }
  const [repo = '', variant = null, ...more] = (at < 0 ? second : second.slice(0, at)).split(':');
  if (!HUB_NAME.test(org) || !HUB_NAME.test(repo) || more.length > 0) refuse(text, expected);
  if (revision !== null && !REVISION.test(revision)) refuse(text, expected);
  if (variant !== null && !VARIANT.test(variant)) refuseVariant(text, variant);
  return { kind: 'hub', repo: `${org}/${repo}`, variant, revision, path: innerPath(text, rest) };
}

/** A path inside a repository: stays inside it. */
export function innerPath(text: string, parts: readonly string[]): string | null {
  if (parts.length === 0) return null;
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..' || part.startsWith('-') || /\\/.test(part)) {
      refuse(text, 'a path inside the repository, without `..`, `\\` or a leading `-`');
    }
  }
  return parts.join('/');
}
