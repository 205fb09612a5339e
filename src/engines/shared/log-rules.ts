/**
 * Answers: what a log line says, by a table of patterns, first match wins. Only words that were
 * seen in a recorded or documented log stand in such a table.
 */
import type { EngineFailureCode, LogReading } from '../engine.ts';

export type LogRule =
  | {
      readonly pattern: RegExp;
      readonly progress: string;
      /** Group 1 ÷ group 2, or group 1 as a percentage when there is only one. */
      readonly hasFraction?: boolean;
    }
  | { readonly pattern: RegExp; readonly isReady: true }
  | { readonly pattern: RegExp; readonly isNoise: true }
  | {
      readonly pattern: RegExp;
      readonly code: EngineFailureCode;
      /** Words for people; without it the matched text is taken. */
      readonly because?: string;
    };

/** Longer lines are cut before they are matched: a log line is no place for a slow pattern. */
const LINE_CHARACTERS_MAX = 2000;

/** Colours some engines write although nobody looks at a terminal. */
// oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
const COLOURS = /\u001B\[[0-9;]*m/g;

export function readByRules(rules: readonly LogRule[], raw: string): LogReading | null {
  const line = raw.slice(0, LINE_CHARACTERS_MAX).replace(COLOURS, '');
  for (const rule of rules) {
    const match = rule.pattern.exec(line);
    if (match !== null) return readingOf(rule, match);
  }
  return null;
}

function readingOf(rule: LogRule, match: RegExpExecArray): LogReading | null {
  if ('isNoise' in rule) return null;
  if ('isReady' in rule) return { kind: 'ready' };
  if ('code' in rule) {
    const because = rule.because ?? (match[1] ?? match[0]).trim();
    return { kind: 'failed', code: rule.code, because };
  }
  const fraction = rule.hasFraction === true ? fractionOf(match) : null;
  return { kind: 'progress', label: rule.progress, fraction };
}

function fractionOf(match: RegExpExecArray): number | null {
  const [done, total] = [match[1], match[2]].map((text) => Number(text));
  if (done === undefined || !Number.isFinite(done)) return null;
  const of = match[2] === undefined ? 100 : (total ?? Number.NaN);
  return of > 0 ? Math.min(1, Math.max(0, done / of)) : null;
}
