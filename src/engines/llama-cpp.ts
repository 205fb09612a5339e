/**
 * llama.cpp: GGUF on everything from a small board to a row of GPUs. Two builds: `xllamacpp` (its
 * server as a Python wheel, which is what we install) and `llama-server` (the user's own binary).
 */
import { GIB, MIB } from '../base/units.ts';
import { ENGINE_SPEC } from './engine.ts';
import type {
  CompanionSupport,
  Engine,
  EngineInput,
  FormatSupport,
  PlanArgument,
  Reason,
  Requirements,
  Trait,
  VerdictOk,
} from './engine.ts';
import { flag, toggle } from './shared/args.ts';
import { chatRequest } from './shared/chat.ts';
import { checkEngine, type CheckRules } from './shared/check.ts';
import { draftArguments } from './shared/companions.ts';
import type { Target } from './shared/devices.ts';
import { features } from './shared/features.ts';
import { OFFLOAD_CODE } from './shared/fit.ts';
import { modelPath } from './shared/identity.ts';
import { llamaFit, ubatchTokens } from './shared/llama-fit.ts';
import { LLAMA_SERVER, refuseInstallation } from './shared/llama-program.ts';
import { LLAMA_LOG, readLlamaMetrics } from './shared/llama-readings.ts';
import { readByRules } from './shared/log-rules.ts';
import { makePlan } from './shared/plan.ts';
import { listenArguments } from './shared/listen.ts';
import { computeThreads } from './shared/threads.ts';
import { compareVersions } from './shared/versions.ts';

/** The number at the end is llama.cpp's own build. */
const VERSION_PINNED = '2026.10.11549';

/** The wheels for GPUs are built on Ubuntu 22.04 (manylinux_2_35); those for CPUs need 2.17. */
const GLIBC_MIN_GPU = '2.35';

/** Of the ROCm wheel, by the project's Makefile; other Radeon cards get the Vulkan one. */
const GFX_ROCM: readonly string[] = [
  'gfx1030',
  'gfx1031',
  'gfx1032',
  'gfx1100',
  'gfx1101',
  'gfx1102',
];

const INDEX = 'https://xorbitsai.github.io/xllamacpp/whl';

/**
 * Has glibc (2.35 and newer) ask for pages of 2 MiB, which most Linux systems give on request only:
 * a KV cache is cleared page by page before the first token, and given back so at the end. With
 * 8192 tokens of a small model on 2 cores, start and first tokens took 552 ms instead of 627 and the
 * end 7 ms instead of 18 (medians of 60, in turns), for 13 MiB more.
 */
const LARGE_PAGES = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' } as const;

const TRAITS: readonly Trait[] = [
  'gguf',
  'offload',
  'cpu-capable',
  'continuous-batching',
  'prefix-cache',
  'unified-memory',
  'speculative',
  'lora',
  'structured-output',
  'tools',
  'logprobs',
  'vision',
  'embeddings',
  'rerank',
  'multi-gpu',
];

const FORMATS: readonly FormatSupport[] = [
  { format: 'gguf', devices: ['cpu', 'nvidia', 'amd', 'intel', 'apple'] },
];

const REQUIREMENTS: Requirements = {
  platforms: ['linux', 'darwin'],
  architectures: ['x64', 'arm64'],
  devices: ['cpu', 'nvidia', 'amd', 'intel', 'apple'],
  // Of the CUDA 12.8 wheel: built for 7.0 and newer; any driver of the CUDA 12 line runs it.
  computeCapabilityMin: '7.0',
  nvidiaDriverMin: '525.60',
  // The wheel's CPU code is compiled for AVX2 without a choice at run time.
  isaX64: ['avx2', 'fma', 'f16c'],
  glibcMin: '2.17',
  pythonMin: '3.10',
};

/** A program the user compiled or chose knows its own cards. */
const REQUIREMENTS_FOREIGN: Requirements = {
  platforms: REQUIREMENTS.platforms,
  architectures: REQUIREMENTS.architectures,
  devices: REQUIREMENTS.devices,
  pythonMin: REQUIREMENTS.pythonMin,
};

const FEATURES = features({ min_tokens: 'ignored' });

/** It pads vocabularies, and lets them differ by so much. */
const COMPANIONS: CompanionSupport = { draft: { vocabularySlack: 128 }, adapter: 'gguf' };

/** It rounds a slot's context up by itself; a plan says what there will be. */
const CONTEXT_BLOCK_TOKENS = 256;

function wholeBlocks(tokens: number): number {
  return Math.ceil(tokens / CONTEXT_BLOCK_TOKENS) * CONTEXT_BLOCK_TOKENS;
}

function rulesFor({ installation }: EngineInput): CheckRules {
  const isForeign = installation !== null && installation.recipe === null;
  return {
    traits: TRAITS,
    formats: FORMATS,
    requirements: isForeign ? REQUIREMENTS_FOREIGN : REQUIREMENTS,
    fit: llamaFit,
    companions: COMPANIONS,
    extra: (input, target) => [
      ...(isForeign ? [] : checkWheel(input, target)),
      ...checkInstallation(input, target),
    ],
  };
}

const OWN_BUILD =
  'use `--device cpu`, or name your own GPU build with `engines.llama-cpp.server` in the configuration';

/** What the wheels for GPUs need beyond those for CPUs. */
function checkWheel({ machine }: EngineInput, target: Target): readonly Reason[] {
  if (target.device === 'cpu' || target.device === 'apple') return [];
  const reasons: Reason[] = [];
  const version = machine.os.libc?.version ?? null;
  if (version !== null && compareVersions(version, GLIBC_MIN_GPU) < 0) {
    reasons.push({
      code: 'libc-too-old',
      because: `its GPU builds need glibc ${GLIBC_MIN_GPU}, this system has ${version}`,
      hint: OWN_BUILD,
    });
  }
  // Instinct cards have no Vulkan driver, so that the wheels leave them out altogether.
  const instinct = target.cards.find(
    (card) => card.vendor === 'amd' && card.class === 'data-centre',
  );
  if (instinct !== undefined) {
    reasons.push({
      code: 'gfx-unsupported',
      because: `its ready-made builds have no kernels for ${instinct.name} (${instinct.gfx ?? 'unknown target'})`,
      hint: OWN_BUILD,
    });
  }
  return reasons;
}

function checkInstallation({ installation }: EngineInput, target: Target): readonly Reason[] {
  if (installation === null) return [];
  const hint = 'remove it from the configuration or from PATH to use the build we install';
  const tooOld = refuseInstallation(installation);
  const reasons: Reason[] = [];
  if (tooOld !== null) reasons.push({ code: 'version-too-old', because: tooOld, hint });
  // An environment of ours is made anew for another device; a binary of the user's is what it is.
  if (installation.recipe === null && !installation.devices.includes(target.device)) {
    reasons.push({
      code: 'build-lacks-device',
      because: `the build at \`${installation.path}\` computes on ${installation.devices.join(', ')}, not on ${target.device}`,
      hint: `use \`--device cpu\`, or ${hint}`,
    });
  }
  return reasons;
}

/**
 * What is not set stays the engine's default, because nothing else was better: with one thread on
 * an EPYC of 2023, CPU seconds for the same work were within 2 % for a unified KV cache, micro-
 * batches of 256 and 1,024, no prompt cache and forced flash attention (off: 15 % slower decode),
 * and weights read into memory decoded 5 % slower than mapped ones, though elsewhere faster.
 */
function planArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { model, workload } = input;
  const { contextTokens, slots, artifact } = verdict;
  const isExplicit = workload.contextTokens !== null;
  return [
    flag('--model', modelPath(model, artifact), { because: 'the file', origin: 'model' }),
    flag('--alias', '{served-name}', { because: 'the name in requests and replies' }),
    ...listenArguments(input, '--host'),
    flag('--ctx-size', contextTokens * slots, {
      because: `${contextTokens} tokens for each of ${slots} ${slots === 1 ? 'slot' : 'slots'}`,
      origin: isExplicit ? 'user' : 'workload',
    }),
    flag('--parallel', slots, {
      because: `${workload.concurrency} ${workload.concurrency === 1 ? 'request' : 'requests'} at once`,
      origin: 'workload',
    }),
    ...threadArguments(input),
    ...deviceArguments(verdict),
    flag('--cache-ram', cacheMib(input), {
      because: 'main memory for prompts seen before, an eighth of it at most',
      origin: 'machine',
    }),
    ...taskArguments(input, verdict),
    ...companionArguments(input, verdict),
    toggle('--metrics', { because: 'counters for `ps` and measurements' }),
    toggle('--no-ui', { because: 'nobody looks at it' }),
    toggle('--offline', { because: 'it may not fetch anything by itself' }),
  ];
}

function threadArguments({ machine }: EngineInput): readonly PlanArgument[] {
  const { coresPhysical, coresUsable } = machine.cpu;
  const threads = computeThreads(machine);
  if (threads === null) return [];
  const because = `physical cores this process may use (${coresPhysical ?? '?'} here, ${coresUsable ?? '?'} allowed); a second thread a core slows decoding down`;
  return [
    flag('--threads', threads, { because, origin: 'machine' }),
    flag('--threads-batch', threads, { because: 'the same for prompts', origin: 'machine' }),
  ];
}

function isSplit({ notes }: VerdictOk): boolean {
  return notes.some((note) => note.code === OFFLOAD_CODE);
}

function deviceArguments(verdict: VerdictOk): readonly PlanArgument[] {
  const fit = isSplit(verdict)
    ? flag('--fit', 'on', { because: 'layers beyond the GPU stay in main memory' })
    : flag('--fit', 'off', { because: 'nothing left to find out by loading the model twice' });
  if (verdict.device === 'cpu') return [fit];
  const layers = isSplit(verdict)
    ? flag('--n-gpu-layers', 'auto', {
        because: 'not all layers fit: the engine measures how many do, experts go last',
        origin: 'machine',
      })
    : flag('--n-gpu-layers', 'all', { because: 'all layers fit on the GPU', origin: 'machine' });
  return [layers, fit, flag('--flash-attn', 'auto', { because: 'on where the GPU has kernels' })];
}

const CACHE_BYTES_MAX = 8 * GIB;

/** From capacity, not from what is free just now: equal machines get equal plans. */
function cacheMib({ machine, workload }: EngineInput): number {
  if (workload.outputTokens === 0 || workload.goal === 'memory') return 0;
  const { bytesTotal, bytesLimit } = machine.memory;
  const capacity = Math.min(bytesTotal ?? GIB, bytesLimit ?? Number.POSITIVE_INFINITY);
  return Math.floor(Math.min(CACHE_BYTES_MAX, capacity / 8) / MIB);
}

function taskArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { workload } = input;
  const isRerank = workload.needs.includes('rerank');
  if (!isRerank && !workload.needs.includes('embeddings')) return [];
  const because = 'an input is encoded in one piece';
  const tokens = ubatchTokens(input, verdict.contextTokens);
  return [
    toggle('--embedding', { because: 'vectors, not text', origin: 'workload' }),
    ...(isRerank
      ? [flag('--pooling', 'rank', { because: 'the workload is reranking', origin: 'workload' })]
      : []),
    flag('--batch-size', tokens, { because, origin: 'workload' }),
    flag('--ubatch-size', tokens, { because, origin: 'workload' }),
  ];
}

function companionArguments(input: EngineInput, verdict: VerdictOk): readonly PlanArgument[] {
  const { adapter } = input.model;
  const draft = draftArguments(input, verdict, {
    path: '--spec-draft-model',
    tokens: '--spec-draft-n-max',
  });
  const args: PlanArgument[] = [];
  if (draft.length > 0) {
    args.push(
      flag('--spec-type', 'draft-simple', { because: 'a draft model of its own', origin: 'user' }),
      ...draft,
    );
    // Where not all fits, it shares out the layers of both by itself.
    if (verdict.device !== 'cpu' && !isSplit(verdict)) {
      args.push(flag('--spec-draft-ngl', 'all', { because: 'it fits beside the model' }));
    }
  }
  if (adapter !== undefined) {
    args.push(flag('--lora', adapter.path, { because: 'added to the weights', origin: 'user' }));
  }
  return args;
}

function isOnLinuxCpu({ machine }: EngineInput, { device }: VerdictOk): boolean {
  return machine.os.platform === 'linux' && device === 'cpu';
}

const engine: Engine = {
  spec: ENGINE_SPEC,
  id: 'llama-cpp',
  name: 'llama.cpp',
  homepage: 'https://github.com/ggml-org/llama.cpp',
  license: 'MIT',
  command: 'llama-server',
  keyVariable: 'LLAMA_API_KEY',
  isDriven: true,
  isEmbedded: true,
  versionPinned: VERSION_PINNED,
  traits: TRAITS,
  formats: FORMATS,
  requirements: REQUIREMENTS,
  environments: [
    {
      id: 'cpu',
      when: { platforms: ['linux', 'darwin'], devices: ['cpu', 'apple'] },
      lock: 'cpu.lock.txt',
      index: null,
      bytesDownload: 33_800_000,
      bytesOnDisk: 102_000_000,
    },
    {
      id: 'cuda',
      when: { platforms: ['linux'], devices: ['nvidia'] },
      lock: 'cuda.lock.txt',
      index: `${INDEX}/cu128`,
      bytesDownload: 400_000_000,
      bytesOnDisk: 900_000_000,
    },
    {
      id: 'rocm',
      when: { platforms: ['linux'], devices: ['amd'], gfx: GFX_ROCM },
      lock: 'rocm.lock.txt',
      index: `${INDEX}/rocm-6.4.1`,
      bytesDownload: 400_000_000,
      bytesOnDisk: 900_000_000,
    },
    {
      id: 'vulkan',
      when: { platforms: ['linux'], devices: ['intel', 'amd'] },
      lock: 'vulkan.lock.txt',
      index: `${INDEX}/vulkan`,
      bytesDownload: 60_000_000,
      bytesOnDisk: 170_000_000,
    },
  ],
  programs: [LLAMA_SERVER],
  features: FEATURES,
  companions: COMPANIONS,
  check: (input) => checkEngine(rulesFor(input), input),
  plan: (input, checked) => {
    const verdict = { ...checked, contextTokens: wholeBlocks(checked.contextTokens) };
    return makePlan(engine, input, verdict, {
      version: input.installation?.version ?? VERSION_PINNED,
      build: input.installation?.build ?? 'xllamacpp',
      args: planArguments(input, verdict),
      environment: isOnLinuxCpu(input, verdict) ? LARGE_PAGES : {},
      listen: input.listen ?? 'unix',
      readinessPath: '/health',
      startMsMax: 120_000,
      // xllamacpp ends at once; llama-server first finishes the streams that run, for 15 s and more.
      shutdown: { signal: 'SIGTERM', graceMs: 5000 },
    });
  },
  adaptRequest: (request, plan) =>
    chatRequest(
      {
        engineName: 'llama.cpp',
        features: FEATURES,
        fields: ({ promptCache }) => ({ cache_prompt: promptCache, return_progress: true }),
      },
      request,
      plan,
    ),
  readLog: (line) => readByRules(LLAMA_LOG, line),
  readMetrics: readLlamaMetrics,
};

export default engine;
