/** Answers: what a command has at hand, for a home and an environment of a test's own. */
import { loadConfig } from '../../src/base/config.ts';
import type { Context } from '../../src/base/context.ts';
import { createLog } from '../../src/base/log.ts';
import { createOutput } from '../../src/base/output.ts';
import { resolvePaths } from '../../src/base/paths.ts';
import { findPython } from '../../src/base/python.ts';

export interface TestContext extends Context {
  /** Questions that were asked. */
  readonly questions: string[];
}

export async function testContext(
  home: string,
  options: { readonly env?: NodeJS.ProcessEnv; readonly answer?: boolean } = {},
): Promise<TestContext> {
  const env = { ...(options.env ?? process.env), HYPERLLAMA_HOME: home };
  const paths = resolvePaths(env);
  const questions: string[] = [];
  return {
    paths,
    config: await loadConfig({ configFolder: paths.config, workingFolder: home, env: {} }),
    env,
    output: createOutput({ isJson: true, isQuiet: true, isVerbose: false }, { NO_COLOR: '1' }),
    log: createLog({ isVerbose: false, write: () => undefined }),
    signal: new AbortController().signal,
    python: async (range) =>
      await findPython({ asked: null, range, cacheFolder: paths.cache, env }),
    consent: async (question) => {
      questions.push(question);
      return options.answer ?? false;
    },
    questions,
  };
}
