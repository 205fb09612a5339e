/** `hyperllama deploy`: the same plan behind a distributed engine, on this machine or on many. */
import type { Command } from 'commander';
import { fail } from '../base/errors.ts';
import { nearestNames } from '../base/suggest.ts';
import { DEPLOY_TARGETS } from '../engines/deploy/targets.ts';
import type { DeployTarget } from '../engines/deploy/target.ts';
import {
  addWorkloadOptions,
  createCommand,
  createContext,
  integer,
  workloadFrom,
  type CommonOptions,
  type WorkloadOptions,
} from './shared.ts';

interface DeployOptions extends CommonOptions, WorkloadOptions {
  readonly target?: string;
  readonly local?: boolean;
  readonly nodes?: string;
  readonly demo?: boolean;
  readonly engine?: string;
  readonly port?: number;
}

/** Requests that each engine computes at once, unless `--concurrency` says otherwise. */
const CONCURRENCY = 4;

export default function command(): Command {
  const names = DEPLOY_TARGETS.map(({ id }) => id);
  return addWorkloadOptions(
    createCommand('deploy', 'one address in front of several engines, here or on many machines')
      .argument('<model>', 'name, path of a GGUF file or model folder')
      .option('--local', 'run it on this machine: two engines and the front, until Ctrl-C')
      .option('--nodes <file>', 'check a list of machines and print what to run on each')
      .option('--target <name>', `what stands in front: ${names.join(' or ')}`)
      .option('--demo', 'with --local: kill an engine while requests run, count, and end')
      .option('--engine <id>', 'use this engine instead of the decided one')
      .option(
        '--concurrency <n>',
        `requests at once for each engine (default: ${CONCURRENCY})`,
        integer('--concurrency', 1, 1024),
      )
      .option(
        '--port <n>',
        'port of the front (default: a free one)',
        integer('--port', 1, 65_535),
      ),
  )
    .option('--python <path>', 'Python that runs the engine services')
    .option('--yes', 'answer every question with yes')
    .action(async (model: string, options: DeployOptions) => {
      refuseMixed(options);
      const target = targetNamed(options.target);
      const context = await createContext(options);
      const workload = workloadFrom({ concurrency: CONCURRENCY, ...options }, context);
      const engineId = options.engine ?? context.config.engine.value;
      if (options.nodes !== undefined) {
        const { deployNodes } = await import('./deploy-nodes.ts');
        const file = options.nodes;
        return await deployNodes({ model, target, workload, engineId, file }, context);
      }
      const { deployLocal } = await import('./deploy-local.ts');
      const [port, isDemo] = [options.port ?? null, options.demo === true];
      await deployLocal({ model, target, workload, engineId, port, isDemo }, context);
    });
}

function refuseMixed({ local, nodes, demo, port }: DeployOptions): void {
  const refuse = (problem: string): never => fail('HL_USAGE', { problem, command: 'deploy' });
  if ((local === true) === (nodes !== undefined)) {
    refuse('`deploy` needs either `--local` or `--nodes FILE`');
  }
  if (local !== true && (demo === true || port !== undefined)) {
    refuse(`\`${demo === true ? '--demo' : '--port'}\` goes with \`--local\``);
  }
}

function targetNamed(name: string | undefined): DeployTarget {
  if (name === undefined) return DEPLOY_TARGETS[0];
  const target = DEPLOY_TARGETS.find(({ id }) => id === name);
  if (target !== undefined) return target;
  const names = DEPLOY_TARGETS.map(({ id }) => id);
  const [near] = nearestNames(name, names, { count: 1, isAnyDistance: false });
  const hint = near === undefined ? {} : { hint: `did you mean \`${near}\`?` };
  const expected = names.join(' or ');
  return fail('HL_OPTION_INVALID', { option: '--target', value: name, expected, ...hint });
}
