/** Answers: how an engine that can listen on a unix socket is told where to listen. */
import type { EngineInput, PlanArgument } from '../engine.ts';
import { flag } from './args.ts';

/** `socketFlag` names the socket; a port is taken only where one was asked for. */
export function listenArguments(
  { listen }: EngineInput,
  socketFlag: string,
): readonly PlanArgument[] {
  if (listen !== 'tcp') {
    const because = 'a unix socket that only this user can reach';
    return [flag(socketFlag, '{socket}', { because })];
  }
  return [
    flag('--host', '{host}', { because: 'the address others reach it at' }),
    flag('--port', '{port}', { because: 'a port, because requests come through a router' }),
  ];
}
