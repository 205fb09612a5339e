/**
 * Writes `docs/engines.md` from the values of the engines themselves: what each needs, loads and
 * honours. `--check` only says whether the page is fresh: exit 1 when it is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { formatBytes } from '../src/base/units.ts';
import { ENGINES } from '../src/engines/all.gen.ts';
import type {
  CompanionSupport,
  DeviceKind,
  Engine,
  EnvironmentRecipe,
} from '../src/engines/engine.ts';
import {
  REQUEST_FEATURES,
  type FeatureSupport,
  type RequestFeature,
} from '../src/engines/request.ts';

const DEVICE_NAMES: Readonly<Record<DeviceKind, string>> = {
  cpu: 'CPU',
  nvidia: 'NVIDIA',
  amd: 'AMD',
  intel: 'Intel',
  apple: 'Apple',
};
const PLATFORM_NAMES: Readonly<Record<string, string>> = {
  linux: 'Linux',
  darwin: 'macOS',
  win32: 'Windows',
};
const SUPPORT_WORDS: Readonly<Record<FeatureSupport, string>> = {
  honoured: 'yes',
  refused: 'error',
  ignored: 'ignored',
  enforced: 'by us',
};

/** What each row of the feature table is called in a request of ours or the engine's. */
const FEATURE_MEANINGS: Readonly<Record<RequestFeature, string>> = {
  temperature: 'sampling temperature',
  top_p: 'nucleus sampling',
  seed: 'repeatable sampling',
  stop: 'texts that end the answer',
  max_tokens: 'longest answer',
  min_tokens: 'shortest answer',
  ignore_eos: 'go on past the end-of-text token',
  n: 'several answers to one prompt',
  logit_bias: 'push single tokens up or down',
  logprobs: 'probabilities of the tokens',
  json_schema: 'an answer that matches a JSON schema',
  tools: 'calls of functions',
};

/** The page as it should be. Driven engines first, then by name. */
export function enginesPage(engines: readonly Engine[]): string {
  const sorted = [...engines].sort(
    (a, b) => Number(b.isDriven) - Number(a.isDriven) || a.name.localeCompare(b.name, 'en'),
  );
  const driven = sorted.filter(({ isDriven }) => isDriven);
  return `${[
    '# Engines',
    'Made by `npm run gen` from the files in `src/engines/`; not edited by hand. How one is added: ' +
      '[adding-an-engine.md](adding-an-engine.md).',
    `This version starts ${names(driven)}. The others are known: their rules take part in every ` +
      'decision and `hyperllama plan` prints the command line they would get, but `generate` does ' +
      'not start them yet ([why](decisions/0006-known-but-not-driven.md)).',
    table(
      ['Engine', 'Id', 'Started by this version', 'Release judged', 'Licence'],
      sorted.map((engine) => [
        `[${engine.name}](${engine.homepage})`,
        `\`${engine.id}\``,
        engine.isDriven ? 'yes' : 'not yet',
        engine.versionPinned,
        engine.license,
      ]),
    ),
    '## What each needs',
    table(
      ['Engine', 'Systems', 'Processors', 'Computes on', 'NVIDIA', 'AMD targets', 'Also'],
      sorted.map(requirementCells),
    ),
    '## Weight formats',
    'A format stands beside the devices on which the engine loads it.',
    table(
      ['Engine', 'Format', 'Computes on', 'Quantizations'],
      sorted.flatMap(({ name, formats }) =>
        formats.map(({ format, devices, quantizations }) => [
          name,
          format,
          deviceNames(devices),
          quantizations === undefined ? 'all' : quantizations.join(', '),
        ]),
      ),
    ),
    '## What the decision may prefer each for',
    'Traits, the strongest first; the [decision tree](decision-tree.md) names traits and never engines.',
    table(
      ['Engine', 'Traits'],
      sorted.map(({ name, traits }) => [name, traits.join(', ')]),
    ),
    '## Request features',
    '`yes`: the engine does it. `error`: it answers with an error. `ignored`: it answers as if the ' +
      'field were not there. A field of these two kinds is left out of the request, with a ' +
      'warning, so that nothing is dropped in silence. `by us`: the engine does something else ' +
      'with it, so that HyperLlama does it on the stream.',
    table(
      ['Field', 'Meaning', ...sorted.map(({ name }) => name)],
      REQUEST_FEATURES.map((feature) => [
        `\`${feature}\``,
        FEATURE_MEANINGS[feature],
        ...sorted.map(({ features }) => SUPPORT_WORDS[features[feature]]),
      ]),
    ),
    askedText(driven),
    '## Beside the model',
    '`--draft MODEL` and `--lora PATH` of `plan`, `generate` and `bench`. An engine that cannot be ' +
      'given one refuses it, with the reason, and another engine is chosen ' +
      '([why so](decisions/0014-beside-the-model.md)).',
    table(
      ['Engine', 'Draft model', 'Adapter'],
      sorted.map(({ name, companions }) => [name, ...companionCells(companions)]),
    ),
    '## Environments',
    '`hyperllama engines install ID` makes one from a lock with exact versions; the first row that ' +
      'matches the machine and the device is taken.',
    table(
      ['Engine', 'Recipe', 'For', 'Lock', 'Package index', 'Download', 'On disk'],
      driven.flatMap((engine) => engine.environments.map((recipe) => recipeCells(engine, recipe))),
    ),
    ...driven.filter(({ programs }) => programs !== undefined).map(programsText),
  ].join('\n\n')}\n`;
}

/** On what the cells rest: the running engine, or what is written about it. */
function askedText(driven: readonly Engine[]): string {
  const asked = driven.filter(({ environments }) =>
    environments.some(({ when }) => when.devices.includes('cpu')),
  );
  return (
    `The columns of ${asked.map(({ name }) => name).join(', ')} are asked of the running engine, cell by ` +
    'cell (`test/live/features.test.ts`; `tools` is from recordings, because the demo model has no ' +
    'words for them). The others rest on documentation, source and recordings.'
  );
}

function companionCells({ draft, adapter }: CompanionSupport = {}): readonly string[] {
  const slack = draft?.vocabularySlack ?? 0;
  const padded = slack === 0 ? '' : `, give or take ${slack} tokens`;
  return [
    draft === undefined ? 'no' : `of the same vocabulary${padded}`,
    adapter === undefined ? 'no' : adapter === 'gguf' ? 'a GGUF file' : 'a folder of PEFT',
  ];
}

function requirementCells(engine: Engine): readonly string[] {
  const { requirements: needs } = engine;
  const nvidia = [
    needs.computeCapabilityMin === undefined
      ? null
      : `compute capability ${needs.computeCapabilityMin}+`,
    needs.nvidiaDriverMin === undefined ? null : `driver ${needs.nvidiaDriverMin}+`,
  ].filter((part) => part !== null);
  const also = [
    `Python ${needs.pythonMin}${needs.pythonMax === undefined ? '+' : ` to ${needs.pythonMax}`}`,
    needs.glibcMin === undefined ? null : `glibc ${needs.glibcMin}+`,
    needs.isaX64 === undefined ? null : `x64 CPU with ${needs.isaX64.join(', ')}`,
  ].filter((part) => part !== null);
  return [
    engine.name,
    needs.platforms.map((platform) => PLATFORM_NAMES[platform] ?? platform).join(', '),
    needs.architectures.join(', '),
    deviceNames(needs.devices),
    nvidia.join(', '),
    needs.gfx?.join(', ') ?? '',
    also.join(', '),
  ];
}

function recipeCells(engine: Engine, recipe: EnvironmentRecipe): readonly string[] {
  const platforms = recipe.when.platforms.map((platform) => PLATFORM_NAMES[platform] ?? platform);
  const targets = recipe.when.gfx === undefined ? '' : ` (${recipe.when.gfx.join(', ')})`;
  return [
    engine.name,
    `\`${recipe.id}\``,
    `${platforms.join(', ')}: ${deviceNames(recipe.when.devices)}${targets}`,
    `[${recipe.lock}](../python-services/${engine.id}/${recipe.lock})`,
    recipe.index === null ? 'the configured one' : recipe.index,
    formatBytes(recipe.bytesDownload),
    formatBytes(recipe.bytesOnDisk),
  ];
}

function programsText({ id, name, programs }: Engine): string {
  const known = (programs ?? []).map((program) => `\`${program.name}\``).join(', ');
  return (
    `${name} can also be a program that is here already: ${known} on PATH where no environment of ` +
    `ours is installed, or the file named by \`engines.${id}.server\` in the configuration, which ` +
    'comes before everything else.'
  );
}

function deviceNames(devices: readonly DeviceKind[]): string {
  return devices.map((device) => DEVICE_NAMES[device]).join(', ');
}

function names(engines: readonly Engine[]): string {
  return engines.map(({ name }) => name).join(', ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

if (import.meta.main) {
  const target = new URL('../docs/engines.md', import.meta.url);
  const page = enginesPage(ENGINES);
  const current = (() => {
    try {
      return readFileSync(target, 'utf8');
    } catch {
      return '';
    }
  })();
  if (process.argv.includes('--check')) process.exitCode = current === page ? 0 : 1;
  else if (current !== page) writeFileSync(target, page);
}
