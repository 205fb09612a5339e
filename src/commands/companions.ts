/** Answers: how a command takes what is to be loaded beside a model, and how it says so afterwards. */
import type { Command } from 'commander';
import { fail } from '../base/errors.ts';
import type { LaunchPlan } from '../engines/engine.ts';

export interface CompanionOptions {
  readonly draft?: string;
  readonly lora?: string;
}

/** What is to be loaded beside the model. */
export function addCompanionOptions(command: Command): Command {
  return command
    .option(
      '--draft <model>',
      'a smaller model that proposes tokens (speculative decoding)',
      once('--draft', 'a model'),
    )
    .option(
      '--lora <path>',
      'answer with this adapter: a GGUF file, or a folder of PEFT',
      once('--lora', 'an adapter'),
    );
}

/** A second one would take the place of the first without a word. */
function once(option: string, what: string): (text: string, before: unknown) => string {
  return (text, before) => {
    if (text === '') return fail('HL_OPTION_INVALID', { option, value: text, expected: what });
    if (before === undefined) return text;
    return fail('HL_OPTION_INVALID', { option, value: text, expected: `${what}, and only one` });
  };
}

export function companionsFrom({ draft, lora }: CompanionOptions): {
  readonly draft?: string;
  readonly adapter?: string;
} {
  return {
    ...(draft === undefined ? {} : { draft }),
    ...(lora === undefined ? {} : { adapter: lora }),
  };
}

/** What was loaded beside the model, where something was. */
export function besideJson({ draft, adapter }: Pick<LaunchPlan, 'draft' | 'adapter'>): object {
  return {
    ...(draft === null ? {} : { draft: draft.ref }),
    ...(adapter === undefined ? {} : { adapter: adapter.path }),
  };
}
