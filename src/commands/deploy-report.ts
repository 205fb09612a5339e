/** Answers: how a deployment on this machine is told: to people, and as JSON. */
import { formatDuration } from '../base/units.ts';
import type { Pool } from '../engines/deploy/target.ts';
import type { DeploymentEvent } from '../launch/deployment.ts';
import type { Failover } from '../measure/failover.ts';

/** `deploy --local --json`, with `demo` beside it. */
export interface DeploymentFacts {
  readonly schema: 'hyperllama.deploy/1';
  readonly target: { readonly id: string; readonly name: string; readonly version: string };
  /** No engine computed any of the answers. */
  readonly simulated: boolean;
  /** Base address for OpenAI clients. */
  readonly endpoint: string;
  readonly model: string;
  readonly front: { readonly session: string; readonly pid: number | null };
  readonly engines: readonly {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    /** Where the front reaches it; of a simulated one, its status page. */
    readonly url: string | null;
    readonly session: string;
    readonly pid: number | null;
  }[];
}

export interface TimelineEntry {
  /** Since the kill. */
  readonly afterMs: number;
  readonly event: string;
}

export interface Demo extends Failover {
  readonly killed: { readonly engine: number; readonly pid: number };
  /** After the recovery, as the front tells it. */
  readonly pool: Pool | null;
  readonly answeredAfterRecovery: number;
  readonly timeline: readonly TimelineEntry[];
}

/** `label` stands before every engine that is none. */
export function eventText(event: DeploymentEvent, label: string): string {
  switch (event.kind) {
    case 'engine-ended':
      return `${label}engine ${event.engine + 1} ended ${event.how}`;
    case 'engine-back':
      return `${label}engine ${event.engine + 1} is back, started in ${formatDuration(event.startMs)}`;
    case 'engine-lost':
      return `${label}engine ${event.engine + 1} is not started again: ${event.because}`;
    case 'pool':
      return poolText(event.pool, label);
  }
}

function poolText(pool: Pool | null, label: string): string {
  if (pool === null) return 'pool: unknown';
  const { healthy, total } = pool;
  const of = total === null ? '' : ` of ${total}`;
  return `pool: ${healthy}${of} ${label}${(total ?? healthy) === 1 ? 'engine takes' : 'engines take'} requests`;
}

export function deploymentText(facts: DeploymentFacts, label: string, isDemo: boolean): string {
  const { target, engines, front } = facts;
  const kind = facts.simulated ? 'engine' : (engines[0]?.name ?? 'engine');
  const head = `${target.name} ${target.version} in front of ${engines.length} × ${label}${kind}, ${facts.model}`;
  const body = `{"model":"${facts.model}","messages":[{"role":"user","content":"Hi"}]}`;
  const lines = [
    head,
    ` endpoint  ${facts.endpoint}  (pid ${front.pid ?? '?'}, session ${front.session})`,
    ...engines.map(
      ({ url, pid, session }, index) =>
        ` ${label}engine ${index + 1}  ${url ?? '?'}  (pid ${pid ?? '?'}, session ${session})`,
    ),
    ...(isDemo
      ? []
      : [
          ` try it    curl ${facts.endpoint}/chat/completions -H 'content-type: application/json' -d '${body}'`,
          ' Ctrl-C ends all of it',
        ]),
  ];
  return `${lines.join('\n')}\n`;
}

export function demoText(demo: Demo, label: string): string {
  const { killed, timeline } = demo;
  const lines = [
    `Killed ${label}engine ${killed.engine} (pid ${killed.pid}) while ${demo.inFlightAtKill} requests ran, ${demo.begunAtKill} of them with a first token`,
    ` requests                    ${demo.requests}`,
    ` answered to the end         ${demo.answered}`,
    ` failed before first token   ${demo.failedBeforeFirstToken}`,
    ` failed after first token    ${demo.failedAfterFirstToken}`,
    ...(demo.failedAfterFirstToken === 0
      ? []
      : ['   their text had begun on the killed engine, and another one cannot go on with it']),
    ...demo.reasons.map((reason) => `   ${reason}`),
    ...timeline.map(({ afterMs, event }) => ` ${`+${formatDuration(afterMs)}`.padEnd(9)} ${event}`),
    ` after that                  ${poolText(demo.pool, label)}`,
    `                             ${demo.answeredAfterRecovery} more requests answered`,
  ];
  return `${lines.join('\n')}\n`;
}
