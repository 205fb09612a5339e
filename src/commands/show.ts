/** `hyperllama show`: what a model is: shape, formats, bits per weight, memory by context. */
import type { Command } from 'commander';
import { formatBytes, formatCount, formatParameters } from '../base/units.ts';
import { kvCacheBytes } from '../models/memory.ts';
import type { Artifact, AttentionGroup, ModelInfo } from '../models/model.ts';
import { describe } from '../pipeline.ts';
import { createCommand, createContext, type CommonOptions } from './shared.ts';

/** Contexts worth a line, as far as the model goes. */
const CONTEXTS = [4096, 8192, 32_768, 131_072, 1_048_576] as const;
const BYTES_FP16 = 2;
const NOT_HERE: Readonly<Record<Artifact['origin'], string>> = {
  file: 'not here',
  catalog: 'fetched when needed',
  conversion: 'made when needed',
  'hub-cache': 'not here',
  hub: 'not here (hub)',
};

export default function command(): Command {
  return createCommand('show', 'what a model is')
    .argument('<model>', 'name, path of a GGUF file or model folder')
    .action(async (ref: string, options: CommonOptions) => {
      const context = await createContext(options);
      const model = await describe(ref, context);
      const { output } = context;
      const memory = kvMemory(model);
      if (output.isJson) {
        output.json({ schema: 'hyperllama.show/1', model, kvCacheFp16: memory });
        return;
      }
      output.text(summary(model));
      const rows = model.artifacts.map((artifact) => [
        artifact.format,
        artifact.quantization ?? '',
        artifact.weights === null ? '' : artifact.weights.bitsPerWeight.toFixed(2),
        artifact.bytesOnDisk === null ? '' : formatBytes(artifact.bytesOnDisk),
        artifact.path ?? NOT_HERE[artifact.origin],
      ]);
      output.text(
        `\n${await output.table(['FORMAT', 'QUANT', 'BITS/WEIGHT', 'SIZE', 'WHERE'], rows)}`,
      );
      if (memory.length === 0) return;
      const cells = memory.map(({ contextTokens, bytes }) => [
        formatCount(contextTokens),
        formatBytes(bytes),
      ]);
      output.text(`\n${await output.table(['CONTEXT', 'KV CACHE (fp16)'], cells)}`);
    });
}

function kvMemory(model: ModelInfo): readonly { contextTokens: number; bytes: number }[] {
  const limit = model.contextTokensMax ?? 0;
  const contexts = [
    ...CONTEXTS.filter((context) => context < limit),
    ...(limit > 0 ? [limit] : []),
  ];
  if (model.attention === null) return [];
  return contexts.map((contextTokens) => ({
    contextTokens,
    bytes: kvCacheBytes(model, { contextTokens, sequences: 1, bytesPerElement: BYTES_FP16 }) ?? 0,
  }));
}

function summary(model: ModelInfo): string {
  const { parametersTotal, parametersActive, experts } = model;
  const active =
    parametersActive === null || parametersActive === parametersTotal
      ? ''
      : `, ${formatParameters(parametersActive)} active`;
  const lines: [string, string | null][] = [
    ['name', model.name],
    ['ref', model.ref],
    ['architecture', model.architecture],
    ['task', model.task],
    [
      'parameters',
      parametersTotal === null ? null : `${formatParameters(parametersTotal)}${active}`,
    ],
    ['experts', experts === null ? null : `${experts.used} of ${experts.total} a token`],
    [
      'context',
      model.contextTokensMax === null ? null : `${formatCount(model.contextTokensMax)} tokens`,
    ],
    ['attention', model.attention?.map((group) => attentionWords(group)).join(', ') ?? null],
  ];
  return lines
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(14)}${value}\n`)
    .join('');
}

function attentionWords(group: AttentionGroup): string {
  switch (group.kind) {
    case 'full':
      return `${group.layers} full (${group.kvHeads} KV heads × ${group.headDimKey})`;
    case 'sliding':
      return `${group.layers} sliding (last ${formatCount(group.windowTokens)} tokens)`;
    case 'mla':
      return `${group.layers} latent (${group.latentWidth} wide)`;
    case 'linear':
      return `${group.layers} linear`;
  }
}
