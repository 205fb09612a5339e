/** `hyperllama config list`: the settings in force, and where each comes from. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { createCommand, createContext, createGroup, type CommonOptions } from './shared.ts';

interface Options extends CommonOptions {
  readonly showOrigin?: boolean;
}

export default function command(): Command {
  const list = createCommand('list', 'the settings in force')
    .option('--show-origin', 'with the file or variable each comes from')
    .action(show);
  return createGroup('config', 'settings and where they come from').addCommand(list, {
    isDefault: true,
  });
}

async function show(options: Options): Promise<void> {
  const { output, config, paths } = await createContext(options);
  const userFile = join(paths.config, 'config.yaml');
  if (output.isJson)
    return output.json({ schema: 'hyperllama.config/1', file: userFile, settings: config });
  const rows = Object.entries(config).map(
    ([name, setting]: [string, { value: unknown; origin: string }]) => {
      // As it stands in the file.
      const key = name === 'custom' ? 'engines.custom' : name;
      const value =
        typeof setting.value === 'string' ? setting.value : JSON.stringify(setting.value);
      return options.showOrigin === true ? [key, value, setting.origin] : [key, value];
    },
  );
  const head = options.showOrigin === true ? ['SETTING', 'VALUE', 'ORIGIN'] : ['SETTING', 'VALUE'];
  output.text(await output.table(head, rows));
  output.note(` user file: ${userFile}`);
}
