/** `hyperllama list`: the models at hand, and those that one command fetches. */
import type { Command } from 'commander';
import { formatBytes } from '../base/units.ts';
import { catalogEntries } from '../models/catalog.ts';
import { listLocalModels } from '../models/store.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

export default function command(): Command {
  return createCommand('list', 'models on this machine')
    .alias('ls')
    .action(async (options: CommonOptions) => {
      const { paths, env, output, config } = await createContext(options);
      const models = await listLocalModels({
        dataFolder: paths.data,
        cacheFolder: paths.cache,
        env,
      });
      const local = new Set(models.map(({ ref }) => ref));
      const fetchable = catalogEntries().filter(
        ({ ref, isFetchable }) => isFetchable && !local.has(ref),
      );
      if (output.isJson) {
        output.json({
          schema: 'hyperllama.list/1',
          models,
          fetchable,
          aliases: config.aliases.value,
        });
        return;
      }
      if (models.length === 0) {
        output.text('no models on this machine yet\n');
      } else {
        const rows = models.map((model) => [
          model.ref,
          model.formats.join(', '),
          model.bytesOnDisk === null ? '' : formatBytes(model.bytesOnDisk),
          model.origin,
          model.problem ?? '',
        ]);
        output.text(await output.table(['MODEL', 'FORMAT', 'SIZE', 'FROM', 'PROBLEM'], rows));
      }
      for (const { ref, bytesDownload } of fetchable) {
        const size = bytesDownload === null ? '' : ` (${formatBytes(bytesDownload)})`;
        output.note(` \`hyperllama generate ${ref}\` fetches ${ref}${size} by itself`);
      }
    });
}
