/** Answers: which engines there are: the built-in ones, the user's own, and a test's. */
import { join, resolve } from 'node:path';
import type { Config } from '../base/config.ts';
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { locateProgram } from '../base/fs.ts';
import { servicesFolder } from '../base/paths.ts';
import { ENGINE_SPEC, type Engine, type Service } from '../engines/engine.ts';
import { attachedEngine } from '../engines/shared/attached.ts';
import { commandEngine } from '../engines/shared/custom.ts';

/** An engine from outside this package, with the folder of its `service.py`. */
interface OutsideEngine {
  readonly engine: Engine;
  readonly serviceFolder: string;
}

/** Names a module with an `OutsideEngine`; how the tests' fake engine goes through the CLI. */
const TEST_ENGINE = 'HYPERLLAMA_TEST_ENGINE';

/** @throws HL_CONFIG_INVALID for a custom engine with the id of another */
export async function withOutsideEngines(
  engines: readonly Engine[],
  { config, env }: Pick<Context, 'config' | 'env'>,
): Promise<readonly Engine[]> {
  const outside = await outsideEngine(env);
  const all = outside === null ? engines : [...engines, outside.engine];
  return [...all, ...customEngines(config.custom, all, env)];
}

function customEngines(
  { value, origin }: Config['custom'],
  others: readonly Engine[],
  env: NodeJS.ProcessEnv,
): readonly Engine[] {
  return Object.entries(value).map(([name, settings]) => {
    if (others.some(({ id }) => id === name)) {
      const problem = `\`engines.custom.${name}\`: is the name of a built-in engine, expected another one`;
      return fail('HL_CONFIG_INVALID', { file: origin, problem });
    }
    if (settings.kind === 'server') return attachedEngine(name, settings);
    const program = locateProgram(settings.words[0], env['PATH'] ?? '');
    // A folder on PATH may be a relative one, and the engine is started elsewhere.
    return commandEngine(name, settings, program === null ? null : resolve(program));
  });
}

/** Folder with the engine's `service.py` and locks. All custom engines share one. */
export async function serviceFolderOf(engine: Service, env: NodeJS.ProcessEnv): Promise<string> {
  if (engine.custom !== undefined) return join(servicesFolder(), 'custom');
  const outside = await outsideEngine(env);
  return outside?.engine.id === engine.id
    ? outside.serviceFolder
    : join(servicesFolder(), engine.id);
}

async function outsideEngine(env: NodeJS.ProcessEnv): Promise<OutsideEngine | null> {
  const file = env[TEST_ENGINE];
  if (file === undefined || file === '') return null;
  const { pathToFileURL } = process.getBuiltinModule('node:url');
  const outside = (await import(pathToFileURL(file).href)) as Partial<OutsideEngine>;
  const { engine, serviceFolder } = outside;
  if (engine?.spec === ENGINE_SPEC && serviceFolder !== undefined) return { engine, serviceFolder };
  const expected = `a module that exports \`serviceFolder\` and an \`engine\` with spec \`${ENGINE_SPEC}\``;
  return fail('HL_OPTION_INVALID', { option: TEST_ENGINE, value: file, expected });
}
