/** How lines of a guard are read: cut anywhere, heard by whoever comes late, bounded. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import * as fc from '../../support/property.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  connectGuard,
  guardFailure,
  GuardLink,
  type GuardEvent,
} from '../../../src/launch/guard-link.ts';
import { temporaryHome, type TemporaryHome } from '../../support/home.ts';

interface Pair {
  readonly link: GuardLink;
  readonly guard: PassThrough;
  readonly sent: PassThrough;
}

function pair(): Pair {
  const [guard, sent] = [new PassThrough(), new PassThrough()];
  return { link: new GuardLink(guard, sent), guard, sent };
}

const log = (line: string): string => `${JSON.stringify({ event: 'log', line })}\n`;

/** Everything the link says until the guard's side has ended. */
async function heard({ link, guard }: Pair, chunks: readonly Buffer[]): Promise<GuardEvent[]> {
  const events: GuardEvent[] = [];
  link.listen((event) => events.push(event));
  for (const chunk of chunks) guard.write(chunk);
  guard.end();
  await link.closed;
  return events;
}

describe('a link to a guard', () => {
  it('reads the same events at every split, inside a character too', async () => {
    const words = fc.array(fc.string({ unit: 'grapheme', maxLength: 8 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        words,
        fc.array(fc.nat({ max: 300 }), { maxLength: 12 }),
        async (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => log(line)).join(''));
          const at = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
          const chunks = [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
          const events = await heard(pair(), chunks);
          expect(events).toEqual(lines.map((line) => ({ event: 'log', line })));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps what came before anybody listened, for the first who does', async () => {
    const both = pair();
    both.guard.write(log('early'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(await heard(both, [Buffer.from(log('late'))])).toEqual([
      { event: 'log', line: 'early' },
      { event: 'log', line: 'late' },
    ]);
  });

  it('passes over what is no event: noise, JSON of another shape, a line without an end', async () => {
    const noise = 'Traceback (most recent call last):\n[1]\nnull\n"event"\n{"no":1}\n';
    const chunks = [noise, log('good'), '{"event":"lo'].map((text) => Buffer.from(text));
    expect(await heard(pair(), chunks)).toEqual([{ event: 'log', line: 'good' }]);
  });

  it('drops a line that never ends, and reads on after it', async () => {
    const endless = Buffer.alloc(5 * 1024 * 1024, 'x');
    const chunks = [endless, Buffer.from('\n'), Buffer.from(log('after'))];
    expect(await heard(pair(), chunks)).toEqual([{ event: 'log', line: 'after' }]);
  });

  it('sends commands as lines, and none once the other side is gone', async () => {
    const { link, sent } = pair();
    link.send({ command: 'keep-alive', ms: 600 });
    link.send({ command: 'release' });
    expect(String(sent.read())).toBe('{"command":"keep-alive","ms":600}\n{"command":"release"}\n');
    sent.destroy();
    link.send({ command: 'stop' });
    expect(sent.read()).toBeNull();
  });

  it('stops calling a listener that has left', async () => {
    const both = pair();
    const events: GuardEvent[] = [];
    const leave = both.link.listen((event) => events.push(event));
    leave();
    await heard(both, [Buffer.from(log('x'))]);
    expect(events).toEqual([]);
  });
});

describe('connectGuard', () => {
  let home: TemporaryHome;
  beforeEach(() => {
    home = temporaryHome();
  });
  afterEach(() => home[Symbol.dispose]());

  it('is null where no guard listens: no socket, a dead one, a plain file', async () => {
    const { writeFileSync } = await import('node:fs');
    const dead = join(home.path, 'dead.sock');
    const server = createServer().listen(dead);
    await new Promise((resolve) => server.once('listening', resolve));
    await new Promise((resolve) => {
      server.close(resolve);
    });
    const file = join(home.path, 'file');
    writeFileSync(file, '');
    for (const path of [join(home.path, 'none.sock'), dead, file]) {
      expect(await connectGuard(path)).toBeNull();
    }
  });

  it('is a link where one does', async () => {
    const path = join(home.path, 'c.sock');
    const server = createServer((socket) => socket.end(log('hello'))).listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    const link = await connectGuard(path);
    const events: GuardEvent[] = [];
    link?.listen((event) => events.push(event));
    await link?.closed;
    link?.end();
    server.close();
    expect(events).toEqual([{ event: 'log', line: 'hello' }]);
  });
});

describe('guardFailure', () => {
  const context = { engine: 'E', phase: 'start', stateFolder: '/state' };
  const code = (because: string, given = 'HL_ENGINE_EXITED'): readonly unknown[] => {
    const error = guardFailure({ event: 'failed', code: given, because }, context);
    return [error.code, error.details['path']];
  };

  it.each([
    ['guard: OSError: [Errno 28] No space left on device', ['HL_DISK_FULL', '/state']],
    ["[Errno 122] Disk quota exceeded: '/a/b'", ['HL_DISK_FULL', '/a/b']],
    ["[Errno 13] Permission denied: '/run/x'", ['HL_STATE_UNWRITABLE', '/run/x']],
    ["[Errno 30] Read-only file system: '/run/x'", ['HL_STATE_UNWRITABLE', '/run/x']],
    ['the engine could not be spawned', ['HL_ENGINE_EXITED', undefined]],
  ])('of %s is %j', (because, expected) => {
    expect(code(because)).toEqual(expected);
  });

  it('believes the guard’s own code', () => {
    expect(code('the run folder is a link', 'HL_STATE_UNWRITABLE')[0]).toBe('HL_STATE_UNWRITABLE');
  });
});
