/** `hyperllama convert`: a model's weights in another format, made on this machine. */
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Context } from '../base/context.ts';
import { fail } from '../base/errors.ts';
import { fs } from '../base/fs.ts';
import { formatDuration } from '../base/units.ts';
import { InstallProgress } from '../launch/install-progress.ts';
import {
  CONVERSION_DTYPES,
  CONVERSION_FORMATS,
  convertModel,
  type Conversion,
} from '../models/convert.ts';
import { artifactName } from '../engines/shared/artifacts.ts';
import type { Artifact, ModelInfo } from '../models/model.ts';
import { pullModel, type PullOptions } from '../models/pull.ts';
import { variantName } from '../models/variants.ts';
import { describe } from '../pipeline.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

/** What each number type is called as a quantization. */
const QUANTIZATIONS = { bfloat16: 'bf16', float32: 'fp32' } as const;

interface Options extends CommonOptions {
  readonly to: string;
  readonly dtype: string;
  readonly out?: string;
}

export default function command(): Command {
  return createCommand('convert', "write a GGUF model's weights in another format")
    .argument('<model>', 'name, or path of a GGUF file')
    .option('--to <format>', CONVERSION_FORMATS.join(' or '), CONVERSION_FORMATS[0])
    .option('--dtype <type>', CONVERSION_DTYPES.join(' or '), CONVERSION_DTYPES[0])
    .option('--out <path>', 'folder (safetensors) or file (gguf) to make; one of ours without it')
    .option('--python <path>', 'Python that runs the converter')
    .action(async (ref: string, options: Options) => {
      await run(ref, options, await createContext(options));
    });
}

async function run(ref: string, options: Options, context: Context): Promise<void> {
  const format = oneOf('--to', options.to, CONVERSION_FORMATS);
  const dtype = oneOf('--dtype', options.dtype, CONVERSION_DTYPES);
  const model = await describe(ref, context);
  const { output, paths, env, signal } = context;
  const progress = new InstallProgress(context);
  const pulling: PullOptions = {
    dataFolder: paths.data,
    python: await context.python(),
    env,
    signal,
    onEvent: progress.of(model.name),
  };
  const wanted = { format, dtype, out: options.out ?? null };
  const result = await convert(model, wanted, pulling).finally(() => progress.stop());
  if (output.isJson) {
    output.json({ schema: 'hyperllama.convert/1', ref, format, dtype, ...result });
    return;
  }
  output.text(`${result.path}\n`);
  const { was, durationMs } = result;
  const how = was === 'present' ? 'was there already' : `made in ${formatDuration(durationMs)}`;
  output.note(` ${format} ${dtype} of ${model.name}, ${how}, from \`${result.source}\``);
}

type Wanted = Pick<Conversion, 'format' | 'dtype'> & { readonly out: string | null };
type Result = Awaited<ReturnType<typeof convertModel>> & {
  readonly path: string;
  readonly source: string;
};

async function convert(model: ModelInfo, wanted: Wanted, pulling: PullOptions): Promise<Result> {
  const { format, dtype, out } = wanted;
  const quantization = QUANTIZATIONS[dtype];
  // The catalog knows a place for it, where every engine finds it.
  const known = model.artifacts.find(
    (artifact) =>
      isMade(artifact) && artifact.format === format && artifact.quantization === quantization,
  );
  if (known !== undefined && out === null) {
    const pulled = await pullModel(model.ref, known, pulling);
    if (pulled !== null) return pulled;
  }
  const source = sourceOf(model);
  const fetched = source.path === null ? await pullModel(model.ref, source, pulling) : null;
  const path = source.path ?? fetched?.path ?? null;
  if (path === null) {
    return fail('HL_MODEL_NOT_LOCAL', { ref: model.ref, looked: pulling.dataFolder });
  }
  const name = `${basename(path, '.gguf')}.${quantization}${format === 'gguf' ? '.gguf' : ''}`;
  const target = resolve(out ?? name);
  // A link that leads nowhere is in the way too.
  if (fs.lstatSync(target, { throwIfNoEntry: false }) !== undefined) {
    const expected = 'a path where nothing is yet';
    return fail('HL_OPTION_INVALID', { option: '--out', value: target, expected });
  }
  const bytesOnDisk = (model.parametersTotal ?? 0) * (dtype === 'bfloat16' ? 2 : 4);
  const conversion = { source: path, target, isOurs: false, format, dtype, bytesOnDisk };
  return { ...(await convertModel(conversion, pulling)), path: target, source: path };
}

/** What is converted: the GGUF file that is here, or the one that can be fetched. */
function sourceOf(model: ModelInfo): Artifact {
  const files = model.artifacts.filter(({ format }) => format === 'gguf');
  const here = files.filter((artifact) => artifact.path !== null && !isMade(artifact));
  if (here.length > 1) {
    const names = here.map((file) => `\`${variantName(file)}\` (\`${file.path}\`)`).join(', ');
    const expected = `one GGUF file, by \`:VARIANT\` or by its path; there are ${names}`;
    return fail('HL_OPTION_INVALID', { option: '<model>', value: model.ref, expected });
  }
  const source = here[0] ?? files.find(({ origin }) => origin === 'catalog');
  if (source !== undefined) return source;
  const has = [...new Set(model.artifacts.map(artifactName))].join(', ');
  const because = `only GGUF files are converted, it is there as ${has}`;
  return fail('HL_MODEL_FORMAT_UNSUPPORTED', {
    path: model.ref,
    because,
    hint: 'give the path of a GGUF file of it',
  });
}

function isMade({ origin }: Artifact): boolean {
  return origin === 'conversion';
}

function oneOf<const T extends string>(option: string, value: string, all: readonly T[]): T {
  const found = all.find((name) => name === value);
  if (found !== undefined) return found;
  return fail('HL_OPTION_INVALID', { option, value, expected: all.join(' or ') });
}
