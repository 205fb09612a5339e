/** `hyperllama engines`: what is installed and usable; install, verify, update, rollback, remove. */
import type { Command } from 'commander';
import {
  createCommand,
  createContext,
  createGroup,
  duration,
  type CommonOptions,
} from './shared.ts';
import type { InstallOptions } from './engines-install.ts';
import type { UpdateOptions } from './engines-update.ts';

export default function command(): Command {
  const list = createCommand('list', 'what is installed and what can run here').action(
    async (options: CommonOptions) => {
      const { listEngines } = await import('./engines-list.ts');
      await listEngines(await createContext(options));
    },
  );
  const verify = createCommand('verify', 'prove that an installed engine works')
    .argument('[engine]', 'engine id; every installed one without it')
    .action(async (id: string | undefined, options: CommonOptions) => {
      const { verifyEngines } = await import('./engines-verify.ts');
      await verifyEngines(id ?? null, await createContext(options));
    });
  const remove = createCommand('remove', 'remove the environments of an engine')
    .argument('<engine>', 'engine id')
    .action(async (id: string, options: CommonOptions) => {
      const { removeEngine } = await import('./engines-remove.ts');
      await removeEngine(id, await createContext(options));
    });
  const rollback = createCommand('rollback', 'go back to the version before the last update')
    .argument('<engine>', 'engine id')
    .action(async (id: string, options: CommonOptions) => {
      const { rollBackEngine } = await import('./engines-rollback.ts');
      await rollBackEngine(id, await createContext(options));
    });
  return createGroup('engines', 'engine environments: list, install, verify, update, remove')
    .addCommand(list, { isDefault: true })
    .addCommand(installCommand())
    .addCommand(verify)
    .addCommand(updateCommand())
    .addCommand(rollback)
    .addCommand(remove);
}

function installCommand(): Command {
  return createCommand('install', 'install an engine into an environment of its own')
    .argument('<engine>', 'engine id')
    .option('--device <device>', 'cpu, or auto for the build of this machine')
    .option('--python <path>', 'Python that the environment is made from')
    .option('--yes', 'answer every question with yes')
    .action(async (id: string, options: InstallOptions) => {
      const { installEngine } = await import('./engines-install.ts');
      await installEngine(id, options, await createContext(options));
    });
}

function updateCommand(): Command {
  return createCommand('update', 'install the newest version beside the present one and try both')
    .argument('<engine>', 'engine id')
    .option('--model <model>', 'model of the test question (default: the demo model)')
    .option('--timeout <duration>', 'longest start of the engine', duration('--timeout'))
    .option('--python <path>', 'Python that the environment is made from')
    .option('--yes', 'answer every question with yes')
    .action(async (id: string, options: UpdateOptions) => {
      const { updateEngine } = await import('./engines-update.ts');
      await updateEngine(id, options, await createContext(options));
    });
}
