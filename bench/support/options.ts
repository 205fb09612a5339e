/** Answers: how a benchmark is called: `--name value` and `--switch`, with a usage line for the rest. */

export interface Option {
  /** `null` = a switch. */
  readonly value: string | null;
  readonly about: string;
}

export class Options {
  readonly #given = new Map<string, string>();

  /** Prints the usage and exits on `--help` and on what is not in `known`. */
  constructor(program: string, known: Readonly<Record<string, Option>>) {
    const words = process.argv.slice(2);
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      const name = word.replace(/^--/, '');
      const option = word.startsWith('--') ? known[name] : undefined;
      const value = option?.value === null ? '' : words.shift();
      if (option === undefined || value === undefined) usage(program, known, word);
      else this.#given.set(name, value);
    }
  }

  has(name: string): boolean {
    return this.#given.has(name);
  }

  text(name: string, fallback: string): string {
    return this.#given.get(name) ?? fallback;
  }

  integer(name: string, fallback: number): number {
    const value = Number(this.#given.get(name) ?? fallback);
    if (Number.isSafeInteger(value) && value > 0) return value;
    return cannotMeasure(`--${name} is a whole number above 0, got ${value}`);
  }
}

/** The one way to exit with something else than 0: nothing could be measured. */
export function cannotMeasure(because: string): never {
  console.error(`cannot measure: ${because}`);
  process.exit(1);
}

function usage(program: string, known: Readonly<Record<string, Option>>, word: string): never {
  console.log(`node bench/${program}.ts [options]\n`);
  for (const [name, { value, about }] of Object.entries(known)) {
    console.log(`  ${`--${name}${value === null ? '' : ` ${value}`}`.padEnd(22)}${about}`);
  }
  process.exit(word === '--help' ? 0 : 1);
}
