import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { NO_TOOLS, plantTree } from './plant.ts';

const DETECT = new URL('../../../src/hardware/detect.ts', import.meta.url).href;
const FOLDER = fileURLToPath(new URL('../../../src/', import.meta.url));

/** The files below `src/` and the packages that a detection loads, and Node's own modules. */
function loadedBy(tree: string): { readonly files: string[]; readonly modules: string[] } {
  const script = `
    const { registerHooks } = await import('node:module');
    const files = [];
    registerHooks({ load: (url, context, next) => (files.push(url), next(url, context)) });
    const { detectMachine } = await import(${JSON.stringify(DETECT)});
    const root = process.argv[1];
    await detectMachine({ root, dataPath: root, env: ${JSON.stringify(NO_TOOLS)}, platform: 'linux' });
    console.log(JSON.stringify({ files, modules: process.moduleLoadList }));`;
  const args = ['--input-type=module', '-e', script, plantTree(tree)];
  const output: unknown = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  // The script above prints exactly this.
  return output as { files: string[]; modules: string[] };
}

test('without a GPU only the probes of Linux are loaded: no package, no GPU table, no child process', () => {
  const { files, modules } = loadedBy('epyc-vm');
  const own = files
    .filter((url) => url.startsWith('file:'))
    .map((url) => fileURLToPath(url).replace(FOLDER, ''))
    .toSorted();
  expect(own).toEqual([
    'hardware/detect.ts',
    'hardware/machine.ts',
    'hardware/probes/cgroup.ts',
    'hardware/probes/cpu-info.ts',
    'hardware/probes/cpu.ts',
    'hardware/probes/disk.ts',
    'hardware/probes/files.ts',
    'hardware/probes/linux.ts',
    'hardware/probes/memory.ts',
    'hardware/probes/os.ts',
    'hardware/probes/pci.ts',
  ]);
  expect(modules).not.toContain('NativeModule child_process');
  expect(modules).not.toContain('NativeModule worker_threads');
});

test('with an NVIDIA card the tables and the child process are loaded, but no package', () => {
  const { files, modules } = loadedBy('rtx4090');
  expect(files.some((url) => url.endsWith('/hardware/gpu-nvidia.ts'))).toBe(true);
  expect(files.filter((url) => url.includes('node_modules'))).toEqual([]);
  expect(modules).toContain('NativeModule child_process');
});
