/** `hyperllama` alone: where things stand, and the three next useful commands. */
import type { Command } from 'commander';
import { readLedger } from '../launch/ledger.ts';
import { environmentsInUse } from '../launch/environment.ts';
import { knownEngines } from '../pipeline.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';
import { VERSION } from './help.gen.ts';

export default function command(): Command {
  return createCommand('status', 'where things stand').action(async (options: CommonOptions) => {
    const context = await createContext(options);
    const { output, paths } = context;
    const engines = await knownEngines(context);
    const installed = await Promise.all(
      engines
        .filter((engine) => engine.isDriven)
        .map(async ({ id, name }) => {
          const [environment] = await environmentsInUse(paths, id);
          return environment === undefined ? null : { id, name, version: environment.version };
        }),
    );
    const ready = installed.filter((engine) => engine !== null);
    const sessions = await readLedger(paths);
    const next = [
      'hyperllama info',
      'hyperllama generate smollm2:135m "Why is the sky blue?"',
      'hyperllama plan qwen3:8b --for agent',
    ];
    if (output.isJson) {
      const running = sessions.map(({ key, about }) => ({
        key,
        engine: about.engine,
        model: about.model,
      }));
      return output.json({
        schema: 'hyperllama.status/1',
        version: VERSION,
        engines: ready,
        sessions: running,
        next,
      });
    }
    const names = ready.map(({ name, version }) => `${name} ${version}`).join(', ');
    output.text(
      [
        `HyperLlama ${VERSION}`,
        ` installed  ${names === '' ? 'no engine yet; the first `generate` installs one' : names}`,
        ` running    ${sessions.length === 0 ? 'nothing' : `${sessions.length} (see \`hyperllama ps\`)`}`,
        '',
        ...next.map((line) => `  ${line}`),
        '',
        'All commands: hyperllama --help',
        '',
      ].join('\n'),
    );
  });
}
