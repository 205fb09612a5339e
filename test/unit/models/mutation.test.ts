/**
 * Headers damaged at random, by the hundred thousand: each is described or refused with a reason,
 * none crashes the reader or keeps it reading, and none that breaks a rule is accepted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';

import { HyperLlamaError } from '../../../src/base/errors.ts';
import { readGguf } from '../../../src/models/gguf.ts';
import { readSafetensors } from '../../../src/models/safetensors.ts';
import { checkGguf } from '../../fixtures/models/gguf-checker.ts';
import { denseGguf, hybridGguf, mixtureGguf } from '../../fixtures/models/gguf-models.ts';
import {
  BLIND,
  ggufEdits,
  SAFETENSORS_EDITS,
  type Mutation,
} from '../../fixtures/models/mutations.ts';
import { memorySource } from '../../fixtures/models/memory-source.ts';
import { checkSafetensors } from '../../fixtures/models/safetensors-checker.ts';
import { llamaSafetensors } from '../../fixtures/models/safetensors-writer.ts';
import { isFullSize, Suite } from '../../support/suite.ts';

/**
 * A reader that goes forward only needs fewer than one read a MiB: a damaged count can make it skip
 * through all the data, but never twice.
 */
const readsMax = (size: number): number => 4 + Math.ceil(size / 2 ** 20);
const REFUSALS = new Set(['HL_MODEL_CORRUPT', 'HL_MODEL_FORMAT_UNSUPPORTED']);
/** Far beyond the minute it takes; it ends a loop that would not end. */
const DEADLINE_MS = 30 * 60_000;
const RESULT = new URL('../../../test-results/mutation.json', import.meta.url);

interface Subject {
  readonly name: string;
  readonly header: Buffer;
  readonly size: number;
  /** Each breaks at most one rule. */
  readonly edits: readonly [Mutation, ...Mutation[]];
  readonly read: (source: ReturnType<typeof memorySource>) => Promise<readonly Placed[]>;
  readonly check: (bytes: Buffer, size: number) => readonly Placed[];
}

interface Placed {
  readonly name: string;
  readonly place: string;
}

const demo = readFileSync(
  new URL('../../fixtures/models/smollm2-135m-header.bin', import.meta.url),
);
/** Of the real file, whose vocabulary is left out of the header here. */
const DEMO_DATA_BYTES = 96_576_768;

/** Keys of equal length, in pairs; each header has one of the pairs. */
const KEYS = [
  'tokenizer.ggml.tokens',
  'tokenizer.ggml.scores',
  'tokenizer.ggml.bos_token_id',
  'tokenizer.ggml.eos_token_id',
];

const SUBJECTS: readonly [Subject, ...Subject[]] = [
  gguf('demo', { header: demo, size: demo.length + DEMO_DATA_BYTES }),
  gguf('dense', denseGguf()),
  gguf('mixture', mixtureGguf()),
  gguf('hybrid', hybridGguf()),
  safetensors('llama', llamaSafetensors()),
];

function gguf(name: string, file: { readonly header: Buffer; readonly size: number }): Subject {
  const names = checkGguf(file.header, file.size).map((tensor) => tensor.name);
  return {
    name: `gguf ${name}`,
    ...file,
    edits: ggufEdits(
      names,
      KEYS.filter((key) => file.header.includes(key)),
    ),
    read: async (source) => {
      const { tensors } = await readGguf(source, name);
      return tensors.map((tensor) => placed(tensor.name, tensor.offset, tensor.bytes));
    },
    check: (bytes, size) =>
      checkGguf(bytes, size).map((tensor) => placed(tensor.name, tensor.offset, tensor.bytes)),
  };
}

function safetensors(
  name: string,
  file: { readonly header: Buffer; readonly size: number },
): Subject {
  return {
    name: `safetensors ${name}`,
    ...file,
    edits: SAFETENSORS_EDITS,
    read: async (source) => {
      const { tensors, dataOffset } = await readSafetensors(source, name);
      return tensors.map((tensor) => placed(tensor.name, tensor.offset - dataOffset, tensor.bytes));
    },
    check: (bytes, size) =>
      checkSafetensors(bytes, size).map(({ name, begin, end }) => placed(name, begin, end - begin)),
  };
}

function placed(name: string, offset: number | bigint, bytes: number | bigint): Placed {
  return { name, place: `${offset} ${bytes}` };
}

it(
  'refuses or describes damaged headers, and accepts none that breaks a rule',
  { timeout: DEADLINE_MS },
  async () => {
    const suite = new Suite('mutation');
    const trials = trialCount();
    let accepted = 0;
    await suite.run(trials, { width: 1, deadlineMs: DEADLINE_MS }, async (index) => {
      const subject = SUBJECTS[index % SUBJECTS.length] ?? SUBJECTS[0];
      let bytes: Buffer = Buffer.from(subject.header);
      if (suite.between(0, 2) === 0) bytes = suite.pick(subject.edits)(suite, bytes);
      else {
        for (let i = suite.between(1, 3); i > 0 && bytes.length > 8; i -= 1) {
          bytes = suite.pick(BLIND)(suite, bytes);
        }
      }
      const grown = bytes.length - subject.header.length;
      // The file keeps its data behind the header, ends where the header does, or goes on after.
      const sizes = [bytes.length, subject.size + grown + 4096] as const;
      const size = suite.between(0, 4) === 0 ? suite.pick([...sizes]) : subject.size + grown;
      accepted += Number(await trial(suite, subject, { bytes, size }));
    });
    suite.fact('accepted', accepted);
    const result = suite.finish();
    const flat = { ...result, accepted, unit: 'microseconds of reading one header' };
    writeFileSync(RESULT, `${JSON.stringify(flat, null, 2)}\n`);
    expect(result.failed).toEqual([]);
    expect(result.trials).toBe(trials);
    // Most damage hits text that no rule is about: a reader that refuses all would pass otherwise.
    expect(accepted).toBeGreaterThan(trials / 50);
    expect(accepted).toBeLessThan(trials);
  },
);

it('accepts every header before it is damaged, as the checker reads it', async () => {
  for (const { header, size, read, check } of SUBJECTS) {
    expect(await read(memorySource(header, size))).toEqual(check(header, size));
  }
});

/** Whether the header was accepted. @throws Error for whatever must not happen. */
async function trial(
  suite: Suite,
  subject: Subject,
  file: { readonly bytes: Buffer; readonly size: number },
): Promise<boolean> {
  const source = memorySource(file.bytes, file.size);
  const start = performance.now();
  const outcome = await subject.read(source).catch((thrown: unknown) => thrown);
  suite.duration((performance.now() - start) * 1000);
  if (source.reads() > readsMax(file.size))
    throw new Error(`${subject.name}: ${source.reads()} reads`);
  if (outcome instanceof HyperLlamaError && REFUSALS.has(outcome.code)) return false;
  if (!Array.isArray(outcome)) throw new Error(`${subject.name}: ${String(outcome)}`);
  // What lies beyond the bytes reads as zeros, for the checker too.
  const whole = Buffer.concat([file.bytes, Buffer.alloc(64)]);
  const independent = subject.check(whole, file.size);
  if (JSON.stringify(outcome) !== JSON.stringify(independent)) {
    throw new Error(`${subject.name}: the index differs from the checker's`);
  }
  return true;
}

/** 100,000 for every change, three times that in full, or a number of one's own. */
function trialCount(): number {
  const asked = Number(process.env['HYPERLLAMA_TEST_SIZE']);
  if (Number.isInteger(asked) && asked > 0) return asked;
  return isFullSize ? 300_000 : 100_000;
}
