/** What reaches a log: constant text and fields, never a secret. */
import { describe, expect, it } from 'vitest';
import { createLog, redact, redactText } from '../../../src/base/log.ts';

function logged(isVerbose: boolean): { lines: string[]; log: ReturnType<typeof createLog> } {
  const lines: string[] = [];
  return { lines, log: createLog({ isVerbose, write: (line) => lines.push(line) }) };
}

/** The shapes in which real secrets come by; each holds the word CANARY. */
const PLANTED: readonly (readonly [string, unknown])[] = [
  ['a hub token in text', 'using hf_CANARY0123456789 for the hub'],
  ['a provider key in text', 'key sk-CANARY-0123456789abcdef'],
  ['a bearer header in text', 'Authorization: Bearer CANARY.abc-def'],
  ['a password in a URL', 'index https://ann:CANARYpass@example.test/simple'],
  ['a token alone in a URL', 'index https://CANARYtoken@example.test/simple'],
  ['a token in a query', 'GET https://example.test/a?token=CANARY&b=1'],
  ['a key by its name', { apiKey: 'CANARY' }],
  ['a header by its name', { headers: { authorization: 'CANARY', cookie: 'CANARY' } }],
  ['a variable by its name', { env: { HF_TOKEN: 'CANARY', MY_SECRET: 'CANARY' } }],
  ['a secret in a list of a secret name', { tokens: ['CANARY'] }],
  ['a flag and its value in an argv', { argv: ['--port', '1', '--api-key', 'CANARY'] }],
  ['a flag with its value', { argv: ['--api-key=CANARY'] }],
  ['a URL deep in fields', { a: { b: [{ url: 'http://u:CANARY@h/' }] } }],
];

describe('a log line', () => {
  it.each(PLANTED)('hides %s', (_, planted) => {
    const { lines, log } = logged(true);
    if (typeof planted === 'string') log.debug(planted);
    else log.debug('fields', planted as Readonly<Record<string, unknown>>);
    expect(lines.join('')).toContain('[redacted]');
    expect(lines.join('')).not.toContain('CANARY');
  });

  it('keeps what is no secret, numbers of tokens included', () => {
    const fields = { tokens: 12, path: '/a/b', url: 'https://example.test/simple?a=1' };
    expect(redact(fields)).toEqual(fields);
    expect(redactText('mail ann@example.test about task-force-0123456789')).toBe(
      'mail ann@example.test about task-force-0123456789',
    );
  });

  it('is one line, with fields as JSON', () => {
    const { lines, log } = logged(true);
    log.debug('started', { engine: 'E', note: 'two\nlines' });
    expect(lines).toEqual(['debug: started {"engine":"E","note":"two\\nlines"}\n']);
  });

  it('is written for a warning always, for debugging only when asked for', () => {
    const { lines, log } = logged(false);
    log.debug('hidden');
    log.warn('shown');
    expect(lines).toEqual(['warning: shown\n']);
  });

  it('ends at a depth, so that a cycle cannot hang it', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(JSON.stringify(redact(loop))).toContain('[deep]');
  });
});
