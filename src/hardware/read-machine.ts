/**
 * Answers: a machine from JSON that somebody wrote or recorded, for the hidden `--machine FILE`.
 * A field that is missing is unknown; one of the wrong type is an error that names its place.
 */
import { z } from 'zod';
import { fail } from '../base/errors.ts';
import { ISA_NAMES, MACHINE_SCHEMA, type IsaName, type Machine } from './machine.ts';

/** Characters of a wrong value that an error shows. */
const VALUE_LENGTH_MAX = 60;

const text = z.string().nullable().default(null);
const amount = z.number().nonnegative().nullable().default(null);
const count = z.number().int().nonnegative().nullable().default(null);
const flag = z.boolean().nullable().default(null);

const operatingSystem = z.object({
  platform: z.enum(['linux', 'darwin', 'win32']).nullable().default(null),
  name: text,
  release: text,
  libc: z
    .object({ name: z.enum(['glibc', 'musl']), version: text })
    .nullable()
    .default(null),
  isWsl: flag,
  isContainer: flag,
});

const cpu = z.object({
  model: text,
  vendor: z.enum(['intel', 'amd', 'apple', 'arm']).nullable().default(null),
  architecture: z.enum(['x64', 'arm64']).nullable().default(null),
  coresPhysical: count,
  coresLogical: count,
  coresUsable: count,
  // A later version may know more instruction sets; no rule here asks for them.
  isa: z
    .array(z.string())
    .default([])
    .transform((names) => names.filter((name): name is IsaName => isIsaName(name))),
  lastLevelCacheBytes: amount,
  numaNodes: count,
});

const memory = z.object({
  bytesTotal: amount,
  bytesAvailable: amount,
  bytesLimit: amount,
  bandwidthBytesPerSecond: amount,
});

const accelerator = z.object({
  vendor: z.enum(['nvidia', 'amd', 'intel', 'apple', 'other']).default('other'),
  name: z.string().default('unnamed accelerator'),
  index: z.number().int().nonnegative().optional(),
  class: z.enum(['consumer', 'workstation', 'data-centre', 'integrated']).nullable().default(null),
  memoryBytesTotal: amount,
  memoryBytesFree: amount,
  memoryKind: z.enum(['dedicated', 'unified']).nullable().default(null),
  bandwidthBytesPerSecond: amount,
  driver: text,
  computeCapability: z
    .string()
    .regex(/^\d+\.\d+$/, 'text like `9.0`')
    .nullable()
    .default(null),
  gfx: text,
  appleGeneration: count,
  hasPeerLink: flag,
  migMode: z.enum(['enabled', 'disabled']).nullable().default(null),
  pciAddress: text,
  source: z.string().default('the given file'),
});

const disk = z.object({ path: text, bytesTotal: amount, bytesFree: amount });

const machine = z.object({
  schema: z.literal(MACHINE_SCHEMA).default(MACHINE_SCHEMA),
  os: operatingSystem.prefault({}),
  cpu: cpu.prefault({}),
  memory: memory.prefault({}),
  accelerators: z
    .array(accelerator)
    .default([])
    .transform((cards) =>
      cards.map((card, position) => ({ ...card, index: card.index ?? position })),
    ),
  disk: disk.prefault({}),
  nodes: z.number().int().positive().default(1),
  sources: z.record(z.string(), z.string()).default({}),
});

/** @throws HL_OPTION_INVALID naming the first place whose value has the wrong type. */
export function parseMachine(json: unknown): Machine {
  const result = machine.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = placeName(issue?.path ?? []);
  return fail('HL_OPTION_INVALID', {
    option: '--machine',
    value: shorten(valueAt(json, issue?.path ?? [])),
    expected: `${expectation(issue)} at \`${place}\``,
    hint: 'record a machine with `hyperllama info --json`',
  });
}

function isIsaName(name: string): boolean {
  return ISA_NAMES.some((known) => known === name);
}

/** `accelerators[0].name`; `$` is the whole file. */
function placeName(path: readonly PropertyKey[]): string {
  const name = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('');
  return name === '' ? '$' : name.replace(/^\./, '');
}

function expectation(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'a machine';
  if (issue.code === 'invalid_type')
    return issue.expected === 'int' ? 'a whole number' : issue.expected;
  if (issue.code === 'invalid_value')
    return issue.values.map((value) => `\`${String(value)}\``).join(', ');
  if (issue.code === 'too_small') {
    return `a number ${issue.inclusive === false ? 'above' : 'not below'} ${issue.minimum}`;
  }
  return issue.message;
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    // Walking unknown JSON: a missing key gives `undefined`, which is what is shown.
    value = (value as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return value;
}

function shorten(value: unknown): string {
  const shown = JSON.stringify(value) ?? 'nothing';
  return shown.length > VALUE_LENGTH_MAX ? `${shown.slice(0, VALUE_LENGTH_MAX)}…` : shown;
}
