/** `--machine FILE`: a recorded machine in place of this one, for tests and documents. */
import { readFile } from 'node:fs/promises';
import { errnoOf, fail } from '../base/errors.ts';
import type { Machine } from '../hardware/machine.ts';

export async function readMachineFile(file: string): Promise<Machine> {
  const invalid = (expected: string): never =>
    fail('HL_OPTION_INVALID', { option: '--machine', value: file, expected });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return invalid('a readable file');
  }
  const { parseMachine } = await import('../hardware/read-machine.ts');
  try {
    const json = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    // The whole `info --json` is welcome too: it holds the machine.
    const machine = json !== null && typeof json === 'object' ? (json['machine'] ?? json) : null;
    const isMachine = machine !== null && typeof machine === 'object' && 'cpu' in machine;
    return isMachine ? parseMachine(machine) : invalid('a machine as `info --json` prints it');
  } catch (error) {
    if (error instanceof SyntaxError) return invalid('a JSON file');
    throw error;
  }
}
