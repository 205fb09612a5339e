/** Answers: a decision in words for people: what was chosen, why not the others, the command. */
import { formatBytes, formatCount } from '../base/units.ts';
import type { ServerSettings } from '../base/config-custom.ts';
import type { Engine, EnginePlan, Reason } from '../engines/engine.ts';
import { commandLine } from '../engines/shared/command-line.ts';
import type { Workload } from '../workloads/workload.ts';
import type { Decision } from './decide.ts';
import type { Rejected } from './reasons.ts';

export interface Explained {
  readonly decision: Decision;
  readonly plan: EnginePlan;
  readonly workload: Workload;
}

/** Which of the four questions a refusal answers; what is not here is about the machine. */
const FORMAT_CODES: readonly string[] = ['format-unsupported', 'architecture-unknown'];
const WORKLOAD_CODES: readonly string[] = [
  'need-unsupported',
  'task-mismatch',
  'model-lacks-vision',
  'context-too-long',
];
const ASKED = 'it was asked for, so that nothing was decided';
/** Facts every decision carries; the others are notes. */
const FACT_CODES: readonly string[] = ['machine', 'format', 'workload'];

/** Several lines, the last one with its line end. */
export function explainDecision({ decision, plan, workload }: Explained): string {
  if (plan.attach !== undefined) return explainAttached(decision, plan.attach);
  const { because, rejected, row } = decision;
  const [first, ...rest] = because;
  const lines = [
    headline(decision, plan),
    factLine('machine', because, outText(rejected, 'machine')),
    factLine('format', because, outText(rejected, 'format')),
    factLine('workload', because, first?.because ?? ''),
    labelled('memory', memoryText(decision, plan)),
    labelled(
      'evidence',
      row === 'asked' ? ASKED : `this version decides by the tree alone, row ${row}`,
    ),
    ...rest
      .filter(({ code }) => !FACT_CODES.includes(code))
      .map((reason) => labelled('note', withHint(reason))),
    labelled('command', commandLine(decision.engine, plan)),
    ...plan.args.map(({ flag, value, because: why }) =>
      `           ${value === null ? flag : `${flag} ${value}`}`.padEnd(44).concat(`  ${why}`),
    ),
    ...environmentLines(plan),
    guideLine(decision, plan),
    ...rejectedLines(rejected),
    ...overrideLines(decision, plan, workload),
  ];
  return `${lines.filter((line) => line !== null).join('\n')}\n`;
}

/** Nothing of it is decided or computed here, so that there is little to say. */
function explainAttached(
  { engine }: Decision,
  { url, model, keyVariable }: ServerSettings,
): string {
  const asks =
    model === null ? 'the model of this name there, else its only one' : `\`${model}\` there`;
  const lines = [
    `Chose ${engine.name}, which was asked for`,
    labelled('server', `${url} (unmanaged: HyperLlama neither starts nor stops it)`),
    labelled('model', asks),
    ...(keyVariable === null ? [] : [labelled('key', `from \`$${keyVariable}\``)]),
  ];
  return `${lines.join('\n')}\n`;
}

function headline({ engine, rejected }: Decision, plan: EnginePlan): string {
  const others = rejected.filter(({ isEligible }) => isEligible).map((other) => other.engine.name);
  const chose = `Chose ${engine.name}`;
  const undriven = isStartable(engine, plan) ? '' : ' (this version cannot start it yet)';
  if (others.length > 0) return `${chose}${undriven} over ${others.join(', ')}`;
  const isAlone = rejected.length > 0;
  return `${chose}${undriven}${isAlone ? ', the only engine that can serve this' : ''}`;
}

/** By an environment of ours or a program that is here; engines that are not driven have neither. */
function isStartable({ custom }: Engine, { recipe, executable }: EnginePlan): boolean {
  return recipe !== null || executable !== null || custom !== undefined;
}

/** How a person gets a build that this version does not install. */
function guideLine({ engine }: Decision, plan: EnginePlan): string | null {
  const guide = engine.guides?.find(({ when }) => when.devices.includes(plan.device));
  return isStartable(engine, plan) || guide === undefined
    ? null
    : labelled('install', `${guide.because}: ${guide.hint}`);
}

function factLine(code: string, because: readonly Reason[], consequence: string): string | null {
  const fact = because.find((reason) => reason.code === code);
  if (fact === undefined) return null;
  const arrow = consequence === '' ? '' : `→ ${consequence}`;
  return labelled(code, arrow === '' ? fact.because : `${fact.because.padEnd(56)} ${arrow}`);
}

function labelled(label: string, text: string): string {
  return ` ${label.padEnd(9)} ${text}`;
}

/** `SGLang, TensorRT-LLM out` for those whose first reason is of this kind. */
function outText(rejected: readonly Rejected[], kind: 'machine' | 'format'): string {
  const names = rejected
    .filter(({ isEligible, reasons }) => !isEligible && kindOf(reasons[0]) === kind)
    .map(({ engine }) => engine.name);
  return names.length === 0 ? '' : `${names.join(', ')} out`;
}

function kindOf(reason: Reason | undefined): 'machine' | 'format' | 'workload' {
  if (reason === undefined) return 'machine';
  if (FORMAT_CODES.includes(reason.code)) return 'format';
  return WORKLOAD_CODES.includes(reason.code) ? 'workload' : 'machine';
}

function memoryText({ verdict }: Decision, { memoryBytes, draft }: EnginePlan): string {
  const { weights, kvCache, overhead } = memoryBytes;
  const total = weights + kvCache + overhead;
  const requests = verdict.slots === 1 ? '1 request' : `${formatCount(verdict.slots)} requests`;
  const slots = `for ${requests} of up to ${formatCount(verdict.contextTokens)} tokens`;
  const both = draft === null ? '' : ', the draft in both';
  return `${formatBytes(total)} = weights ${formatBytes(weights)} + KV cache ${formatBytes(kvCache)} (${slots}${both}) + its own ${formatBytes(overhead)}, by ${verdict.memory.basis}`;
}

function environmentLines({ environment }: EnginePlan): readonly string[] {
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return words.length === 0 ? [] : [labelled('variables', words.join(' '))];
}

function rejectedLines(rejected: readonly Rejected[]): readonly string[] {
  const refused = rejected.filter(({ isEligible }) => !isEligible);
  if (refused.length === 0) return [];
  return [
    'Not possible here:',
    ...refused.map(
      ({ engine, reasons }) =>
        ` ${engine.name.padEnd(14)} ${reasons.map((reason) => withHint(reason)).join('; ')}`,
    ),
  ];
}

function withHint({ because, hint }: Reason): string {
  return hint === null ? because : `${because} (${hint})`;
}

function overrideLines(
  { rejected, engine }: Decision,
  plan: EnginePlan,
  workload: Workload,
): readonly string[] {
  const eligible = rejected.filter(({ isEligible }) => isEligible);
  if (eligible.length === 0) return [];
  const others = eligible.filter((other) => other.isStartable).map((other) => other.engine);
  const startable = isStartable(engine, plan) ? [engine, ...others] : others;
  const measure = startable.map(
    ({ id }) => `hyperllama bench ${plan.model.ref} -i 5 --engine ${id}${asked(plan, workload)}`,
  );
  return [
    `Override: ${eligible.map((other) => `--engine ${other.engine.id}`).join(' or ')}`,
    ...(measure.length === 0 ? [] : [`Measure:  ${measure.join(' and ')}`]),
  ];
}

/** What was asked of this plan and `bench` can be asked as well. */
function asked({ draft, adapter }: EnginePlan, workload: Workload): string {
  const { name, contextTokens, device } = workload;
  const words = [
    name === 'chat' ? [] : ['--for', name],
    contextTokens === null ? [] : ['--context', contextTokens],
    device === 'auto' ? [] : ['--device', device],
    draft === null ? [] : ['--draft', draft.ref],
    adapter === undefined ? [] : ['--lora', adapter.path],
  ].flat();
  return words.map((word) => ` ${word}`).join('');
}
