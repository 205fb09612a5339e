/**
 * Every argument that the plans of GPU engines can hold, against what their own parsers accept: the
 * recorded `--help` of vLLM and SGLang, facts from the parsers' source for those that were never run.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { PlanArgument } from '../../../src/engines/engine.ts';
import { readHelpOptions } from '../../support/help-options.ts';
import { engineOf, literalsOf, manyPlans } from './gpu-cases.ts';

/** What a parser takes for one option. */
interface Option {
  /** `flag`: no value follows. */
  readonly type: 'flag' | 'str' | 'int' | 'float' | 'bool' | 'list' | 'dict';
  readonly choices?: readonly string[] | null;
  readonly pattern?: string;
  readonly gt?: number;
  readonly ge?: number;
  readonly multiple_of?: number;
}
type Options = Readonly<Record<string, Option>>;

const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/engines/${name}`, import.meta.url), 'utf8');

function helpOptions(name: string): Options {
  const options = readHelpOptions(fixture(name));
  return Object.fromEntries(
    [...options].map(([option, { takes, choices }]) => [
      option,
      { type: takes === 'nothing' ? 'flag' : 'str', choices } satisfies Option,
    ]),
  );
}

/** Our own fixtures, with the source of every fact beside them. */
function factOptions(name: string): readonly Options[] {
  const facts = JSON.parse(fixture(name)) as
    | { readonly options: Options }
    | { readonly states: readonly { readonly options: Options }[] };
  return 'states' in facts ? facts.states.map(({ options }) => options) : [facts.options];
}

interface Subject {
  readonly id: string;
  /** Files whose literals are flags of this engine. */
  readonly files: readonly string[];
  /** What the parser knows, in each state it was read in. */
  readonly parsers: readonly Options[];
}

const SUBJECTS: readonly Subject[] = [
  {
    id: 'vllm',
    files: ['vllm.ts', 'shared/vllm-families.ts'],
    parsers: [helpOptions('vllm/help.txt')],
  },
  { id: 'sglang', files: ['sglang.ts'], parsers: [helpOptions('sglang/help.txt')] },
  {
    id: 'tensorrt-llm',
    files: ['tensorrt-llm.ts'],
    parsers: factOptions('tensorrt-llm/options.json'),
  },
  {
    id: 'exllamav3',
    files: ['exllamav3.ts', 'shared/tabby-api.ts'],
    parsers: factOptions('exllamav3/options.json'),
  },
  {
    id: 'exllamav2',
    files: ['shared/tabby-api.ts'],
    parsers: factOptions('exllamav2/options.json'),
  },
];

/** Why the parser would not take the argument; `null` when it would. */
function refusal(argument: PlanArgument, options: Options): string | null {
  const { flag, value } = argument;
  if (!flag.startsWith('-')) return null;
  const option = options[flag];
  if (option === undefined) return `${flag} is unknown`;
  if (option.type === 'flag') return value === null ? null : `${flag} takes no value`;
  if (value === null) return `${flag} lacks its value`;
  if (/^\{[a-z-]+\}$/.test(value)) return null;
  const isTaken =
    (option.choices?.includes(value) ?? true) &&
    (option.type !== 'int' || /^\d+$/.test(value)) &&
    (option.type !== 'float' || Number.isFinite(Number(value))) &&
    (option.type !== 'bool' || value === 'true' || value === 'false') &&
    (option.pattern === undefined || new RegExp(option.pattern).test(value)) &&
    (option.gt === undefined || Number(value) > option.gt) &&
    (option.ge === undefined || Number(value) >= option.ge) &&
    (option.multiple_of === undefined || Number(value) % option.multiple_of === 0);
  return isTaken ? null : `${flag} does not take ${value}`;
}

describe.each(SUBJECTS)('the arguments of $id', ({ id, files, parsers }) => {
  const plans = manyPlans(engineOf(id));
  const emitted = plans.flatMap(({ args }) => args);

  it('are known to its parser, each with a value of its kind and among its choices', () => {
    const wrong = parsers.flatMap((options) =>
      emitted.map((argument) => refusal(argument, options)).filter((text) => text !== null),
    );
    expect([...new Set(wrong)]).toEqual([]);
  });

  it('are all reached by the cases of this test', () => {
    const flags = new Set(emitted.map(({ flag }) => flag));
    const unreached = literalsOf(files, /'(--[a-z][\w-]*)'/g).filter((name) => !flags.has(name));
    expect(unreached).toEqual([]);
  });

  it('name every parser of its tables in some case', () => {
    const values = new Set(emitted.map(({ value }) => value));
    const unreached = literalsOf(files, /parser: '([^']+)'/g).filter((name) => !values.has(name));
    expect(unreached).toEqual([]);
  });
});

describe('the fixtures of flags', () => {
  it.each(['vllm', 'sglang'])('of %s are the long options of the recorded help', (id) => {
    const [, ...known] = fixture(`${id}/flags.txt`).trim().split('\n');
    const long = Object.keys(helpOptions(`${id}/help.txt`)).filter((name) => name.startsWith('--'));
    expect(known.sort()).toEqual(long.sort());
  });

  it('of TensorRT-LLM name only what every state of its parser knows', () => {
    const [, ...known] = fixture('tensorrt-llm/flags.txt').trim().split('\n');
    const [before, after] = factOptions('tensorrt-llm/options.json');
    const both = Object.keys(before ?? {}).filter((name) => after?.[name] !== undefined);
    expect(known.sort()).toEqual(both.sort());
  });

  it('list the reasoning parsers of the vLLM release that is judged, which its help does not', () => {
    const [, ...names] = fixture('vllm/reasoning-parsers.txt').trim().split('\n');
    const used = manyPlans(engineOf('vllm'))
      .flatMap(({ args }) => args)
      .filter(({ flag }) => flag === '--reasoning-parser')
      .map(({ value }) => value);
    expect(used.length).toBeGreaterThan(0);
    expect([...new Set(used)].filter((name) => !names.includes(name ?? ''))).toEqual([]);
  });
});
