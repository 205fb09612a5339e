/** `doctor` finds what is broken, names the command that mends it, and that command mends it. */
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAKE_ENGINE } from '../support/cli.ts';
import { temporaryHome, type TemporaryHome } from '../support/home.ts';
import { cli, transcript, withoutOtherEngines } from './transcript.ts';

let home: TemporaryHome;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home[Symbol.dispose]());

const FAKE = { HYPERLLAMA_TEST_ENGINE: FAKE_ENGINE };

async function show(args: readonly string[], env: Record<string, string> = FAKE): Promise<string> {
  const text = transcript(await cli(args, { home: home.path, env }), home.path);
  // Of the machine there are other tests.
  return withoutOtherEngines(text, 'fake').replaceAll(/^ok {2}(?!fake|sess|inst).*\n/gm, '');
}

describe('doctor', () => {
  it('finds what a killed install left, and --reap removes it', async () => {
    const folder = join(home.path, 'data', 'engines', 'fake');
    // No kernel gives such a number to a process.
    mkdirSync(join(folder, '0.9.0-stdlib.staging-99999999', 'environment'), { recursive: true });
    expect(await show(['doctor'])).toMatchInlineSnapshot(`
      "exit 1
      --- stdout
      ok  fake         Fake is not installed; it is on first use, or by \`hyperllama engines install fake\`
      ok  sessions     0 sessions run, none is dead
      bad installs     killed installs left \`~/data/engines/fake/0.9.0-stdlib.staging\`
                       → run \`hyperllama doctor --reap\`"
    `);
    expect(await show(['doctor', '--reap'])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      ok  sessions 0 sessions run, none is dead
      ok  installs removed \`~/data/engines/fake/0.9.0-stdlib.staging\`"
    `);
    expect(readdirSync(folder)).toEqual(['0.9.0-stdlib.lock']);
    expect(await show(['doctor', '--reap'])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      ok  sessions 0 sessions run, none is dead
      ok  installs no killed install left anything behind"
    `);
  });

  it('finds an environment whose Python is gone; what it says to run brings it back', async () => {
    expect((await cli(['engines', 'install', 'fake'], { home: home.path, env: FAKE })).code).toBe(
      0,
    );
    const python = join(home.path, 'data', 'engines', 'fake', '1.0.0-stdlib', 'bin', 'python');
    rmSync(python);
    symlinkSync('/no/such/python3.9', python);
    expect(await show(['doctor'])).toMatchInlineSnapshot(`
      "exit 1
      --- stdout
      bad fake         Fake 1.0.0 (stdlib) does not run: its Python at \`~/data/engines/fake/1.0.0-stdlib/bin/python\` is not there
                       → run \`hyperllama engines remove fake\`, then \`hyperllama engines install fake\`
      ok  sessions     0 sessions run, none is dead
      ok  installs     no killed install left anything behind"
    `);
    for (const verb of ['remove', 'install']) {
      const mended = await cli(['engines', verb, 'fake'], { home: home.path, env: FAKE });
      expect(mended.code).toBe(0);
    }
    expect(await show(['doctor'])).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      ok  fake         Fake 1.0.0 (stdlib)
      ok  sessions     0 sessions run, none is dead
      ok  installs     no killed install left anything behind"
    `);
  });

  it('tells what an engine that is not installed would need, and calls nothing wrong for it', async () => {
    const module = join(home.path, 'engine.mjs');
    const fixture = fileURLToPath(new URL('../fixtures/fake-engine/engine.ts', import.meta.url));
    writeFileSync(
      module,
      `import { engine as fake, serviceFolder } from ${JSON.stringify(fixture)};
export { serviceFolder };
const requirements = { ...fake.requirements, pythonMin: '3.99', glibcMin: '99.0' };
export const engine = { ...fake, requirements };
`,
    );
    const text = await show(['doctor'], { HYPERLLAMA_TEST_ENGINE: module });
    expect(text.replace(/`[^`]*` is Python [\d.]+/, 'PYTHON').replace(/has [\d.]+/, 'has VERSION'))
      .toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      --  fake         Fake cannot run here: needs glibc 99.0, this system has VERSION
                       → use a distribution with glibc 99.0 or newer
      --  fake         Fake: PYTHON, but 3.99 or newer is needed
                       → install a newer Python and name it with \`--python /path/to/python3\`
      ok  sessions     0 sessions run, none is dead
      ok  installs     no killed install left anything behind"
    `);
  });

  it('does not call a reaper that failed "none is dead"', async () => {
    const sessions = join(home.path, 'state', 'sessions');
    mkdirSync(sessions, { recursive: true });
    const entry = {
      schema: 'hyperllama.session/1',
      key: '0123abcd',
      bootId: 'another boot',
      guard: { pid: 1, startTime: 1 },
      control: join(home.path, 'run', '0123abcd', 'c.sock'),
      about: { engine: 'fake' },
    };
    writeFileSync(join(sessions, '0123abcd.json'), JSON.stringify(entry));
    const folder = join(home.path, 'bin');
    mkdirSync(folder);
    const version = `*version_info*) echo "${folder}/python3"; echo 3.12.0;;`;
    const script = `#!/bin/sh\ncase "$*" in ${version} *) echo "no such module" >&2; exit 1;; esac\n`;
    writeFileSync(join(folder, 'python3'), script);
    chmodSync(join(folder, 'python3'), 0o755);
    expect(await show(['doctor', '--reap'], { ...FAKE, PATH: folder })).toMatchInlineSnapshot(`
      "exit 1
      --- stdout
      bad sessions what dead sessions left (\`0123abcd\`) could not be cleared: the reaper ended with exit 1: no such module
                   → run \`hyperllama doctor --reap\` as the user who started them
      ok  installs no killed install left anything behind"
    `);
    expect(await show(['ps'], { ...FAKE, PATH: folder })).toMatchInlineSnapshot(`
      "exit 0
      --- stdout
      nothing is running

      --- stderr
       dead sessions could not be cleared: the reaper ended with exit 1: no such module"
    `);
  });
});
