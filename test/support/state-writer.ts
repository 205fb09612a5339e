/**
 * A program to be killed: writes ever larger numbers to one state file and says each on stdout once
 * the write has been acknowledged. `naive` writes in place, as a control that a kill is seen.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { writeState } from '../../src/base/state.ts';

const [path = '', how = ''] = process.argv.slice(2);
/** A test kills it within a second; a forgotten one ends. */
const WRITES_MAX = 20_000;

for (let n = 1; n <= WRITES_MAX; n += 1) {
  const value = { n, filler: 'x'.repeat(1000 + ((n * 7919) % 300_000)), last: n };
  if (how === 'naive') writeInPlace(JSON.stringify(value));
  else await writeState(path, value);
  writeSync(1, `${n}\n`);
}

/** As a program does that streams into the file it replaces. */
function writeInPlace(text: string): void {
  const file = openSync(path, 'w');
  for (let at = 0; at < text.length; at += 8192) writeSync(file, text.slice(at, at + 8192));
  closeSync(file);
}
