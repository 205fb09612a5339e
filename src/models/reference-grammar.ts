/**
 * Answers: the grammar of model names, as types and patterns. Names are data: checked here, never
 * joined to a path unchecked.
 */
import { fail } from '../base/errors.ts';

export type Reference =
  /** A file or folder: written as a path (`./x.gguf`, `/models/x`, `~/x`, `file:…`, `x.gguf`). */
  | { readonly kind: 'path'; readonly path: string }
  | HubReference
  | { readonly kind: 'ollama'; readonly name: string; readonly tag: string | null }
  | { readonly kind: 'lmstudio'; readonly repo: string; readonly path: string | null }
  /** A model that a Python package carries. */
  | { readonly kind: 'package'; readonly name: string }
  | { readonly kind: 'url'; readonly url: string }
  | ShortReference;

/** `hf:ORG/REPO[:VARIANT][@REVISION][/PATH]` */
export interface HubReference {
  readonly kind: 'hub';
  /** `ORG/REPO` */
  readonly repo: string;
  readonly variant: string | null;
  readonly revision: string | null;
  readonly path: string | null;
}

/** `NAME[:SIZE][:VARIANT]`: the catalog's or an alias; never goes to the network by guess. */
export interface ShortReference {
  readonly kind: 'short';
  readonly name: string;
  readonly size: string | null;
  readonly variant: string | null;
}

export const EXPECTED: string =
  'a path (`./model.gguf`), `ORG/REPO[:VARIANT]`, or a name of the catalog (`NAME[:SIZE][:VARIANT]`)';
export const TEXT_LENGTH_MAX = 4096;

/** The hub's own rule: letters, digits, `-_.`, 96 at most, no `--` or `..`, nothing at the ends. */
export const HUB_NAME: RegExp =
  /^(?=.{1,96}$)(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/;
export const REVISION: RegExp =
  /^(?:refs\/pr\/\d{1,9}|(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]{0,127})$/;
export const SHORT_NAME: RegExp = /^(?!.*\.\.)[\p{L}\p{N}_][\p{L}\p{M}\p{N}._-]{0,95}$/u;
export const TAG: RegExp = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;
/** `8b`, `0.6b`, `135m`, `30b-a3b`, `8x7b`, `e4b` */
export const SIZE: RegExp =
  /^(?:\d{1,3}x|e)?\d{1,5}(?:\.\d{1,3})?[kmbt](?:-a\d{1,4}(?:\.\d{1,3})?b)?$/i;
export const VARIANT: RegExp = new RegExp(
  `^(?:${[
    '(?:ud-)?i?q[1-8](?:_[01])?(?:_?k)?(?:_(?:xxs|xs|s|m|l|xl|nl))?',
    '(?:ud-)?tq[12]_0',
    'mxfp4(?:_moe)?|nvfp4',
    'bf16|f16|f32|fp16|fp32|fp8|int8|int4|awq|gptq',
    'mlx(?:-\\d(?:\\.\\d)?bit)?',
    'exl[23](?:-\\d{1,2}(?:\\.\\d{1,2})?bpw)?',
    'gguf|safetensors',
  ].join('|')})$`,
  'i',
);

/** @throws HL_OPTION_INVALID */
export function refuse(value: string, expected: string): never {
  fail('HL_OPTION_INVALID', { option: 'MODEL', value: value.slice(0, 200), expected });
}

/** @throws HL_OPTION_INVALID */
export function refuseVariant(text: string, variant: string): never {
  refuse(
    text,
    `a variant after the colon such as \`Q4_K_M\`, \`bf16\`, \`awq\`, \`mlx-4bit\` or ` +
      `\`exl3-4.0bpw\`, not \`${variant}\``,
  );
}
