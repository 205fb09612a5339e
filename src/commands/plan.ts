/** `hyperllama plan`: the decision, the losers with reasons, memory arithmetic, the command line. */
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { explainDecision } from '../decision/explain.ts';
import type { LaunchPlan } from '../engines/engine.ts';
import { choose, type Choice } from '../pipeline.ts';
import {
  addWorkloadOptions,
  createCommand,
  createContext,
  integer,
  workloadFrom,
  type CommonOptions,
  type WorkloadOptions,
} from './shared.ts';
import { addCompanionOptions, companionsFrom, type CompanionOptions } from './companions.ts';
import { knownVersion } from '../engines/shared/versions.ts';
import { readMachineFile } from './machine-file.ts';

interface Options extends CommonOptions, CompanionOptions, Omit<WorkloadOptions, 'for'> {
  readonly for?: readonly string[];
  readonly engine?: string;
  readonly machine?: string;
}

export default function command(): Command {
  const described = addWorkloadOptions(
    createCommand('plan', 'the engine this model would get, why, and its exact command line')
      .argument('<model>', 'name, path of a GGUF file or model folder')
      .option('--engine <id>', 'plan for this engine instead of the decided one')
      .option('--concurrency <n>', 'users at once', integer('--concurrency', 1, 100_000)),
  );
  const built = addCompanionOptions(described);
  const forOption = built.options.find((option) => option.long === '--for');
  forOption?.argParser((value: string, previous: readonly string[] | undefined) => [
    ...(previous ?? []),
    value,
  ]);
  return built
    .option('--machine <file>', 'a machine recorded by `info --json`, in place of this one')
    .action(async (model: string, options: Options) => {
      const context = await createContext(options);
      const machine = options.machine === undefined ? null : await readMachineFile(options.machine);
      const choices: Choice[] = [];
      for (const name of options.for ?? [undefined]) {
        const { for: _all, ...rest } = options;
        const workload = workloadFrom(rest, context, name);
        const engineId = options.engine ?? context.config.engine.value;
        const wanted = { model, workload, engineId, isToRun: false, machine };
        choices.push(await choose({ ...wanted, ...companionsFrom(options) }, context));
      }
      await printPlan(choices, context);
    });
}

export async function printPlan(choices: readonly Choice[], { output }: Context): Promise<void> {
  if (!output.isJson) {
    output.text(choices.map((choice) => explainDecision(choice)).join('\n'));
    return;
  }
  const [first] = choices;
  if (choices.length === 1 && first !== undefined) {
    output.json({ schema: 'hyperllama.plan/1', ...planJson(first) });
  } else {
    output.json({ schema: 'hyperllama.plan/1', plans: choices.map((choice) => planJson(choice)) });
  }
}

function planJson(choice: Choice): object {
  const { decision, workload } = choice;
  const { engine } = choice.plan;
  const plan = { ...choice.plan, engine: { ...engine, version: knownVersion(engine.version) } };
  return {
    workload: workload.name,
    decision: {
      engine: decision.engine.id,
      because: decision.because,
      rejected: decision.rejected.map(({ engine, reasons }) => ({ engine: engine.id, reasons })),
      basis: decision.basis,
      isDriven: decision.engine.isDriven,
    },
    ...(plan.attach === undefined
      ? { plan, memory: decision.verdict.memory }
      : { plan: attachedJson(plan), memory: null }),
  };
}

/** What is known of a server that is not ours; the rest of a plan says how something is started. */
function attachedJson({
  engine,
  model,
  attach,
  fingerprint,
}: Pick<LaunchPlan, 'model' | 'attach' | 'fingerprint'> & { readonly engine: object }): object {
  return {
    engine,
    model: { ref: model.ref },
    attach: { url: attach?.url, model: attach?.model, keyVariable: attach?.keyVariable },
    fingerprint,
  };
}
