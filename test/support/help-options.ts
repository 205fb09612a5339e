/** Reads the options out of a recorded `--help` of Python's argparse: names, values, choices. */

export interface HelpOption {
  /** How many words follow it: none, one, or one and more. */
  readonly takes: 'nothing' | 'one' | 'many';
  /** The words it accepts; `null` = any. */
  readonly choices: readonly string[] | null;
}

/** By name, every spelling of an option an entry of its own. */
export function readHelpOptions(help: string): ReadonlyMap<string, HelpOption> {
  const options = new Map<string, HelpOption>();
  for (const line of help.split('\n')) {
    // An entry begins after two spaces; its description, if on the same line, after two more.
    const [, entry] = /^ {2}(-.*?)(?: {2,}.*)?$/.exec(line) ?? [];
    if (entry === undefined) continue;
    for (const [name, value] of spellings(entry)) options.set(name, readValue(value));
  }
  return options;
}

/** `--tp-size TP, --tensor-parallel-size TP` → both names, each with what follows it. */
function spellings(entry: string): readonly (readonly [string, string])[] {
  return entry
    .split(/, (?=-)/)
    .map((spelling) => /^(\S+) ?(.*)$/.exec(spelling))
    .flatMap((match) => (match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const]));
}

function readValue(value: string): HelpOption {
  if (value === '') return { takes: 'nothing', choices: null };
  const [, choices] = /\{([^}]*)\}/.exec(value) ?? [];
  return {
    takes: value.includes('...') ? 'many' : 'one',
    // "or name registered in …" behind the list: plugins only.
    choices: choices === undefined ? null : choices.split(','),
  };
}
