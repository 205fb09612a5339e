/** Answers: which engines there are: the built-in ones, and a test's own. */
import { join } from 'node:path';
import { fail } from '../base/errors.ts';
import { servicesFolder } from '../base/paths.ts';
import { ENGINE_SPEC, type Engine, type Service } from '../engines/engine.ts';

/** An engine from outside this package, with the folder of its `service.py`. */
interface OutsideEngine {
  readonly engine: Engine;
  readonly serviceFolder: string;
}

/** Names a module with an `OutsideEngine`; how the tests' fake engine goes through the CLI. */
const TEST_ENGINE = 'HYPERLLAMA_TEST_ENGINE';

export async function withOutsideEngine(
  engines: readonly Engine[],
  env: NodeJS.ProcessEnv,
): Promise<readonly Engine[]> {
  const outside = await outsideEngine(env);
  return outside === null ? engines : [...engines, outside.engine];
}

/** Folder with the engine's `service.py` and locks. */
export async function serviceFolderOf(engine: Service, env: NodeJS.ProcessEnv): Promise<string> {
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
