/** Answers: where a process listens, by what the kernel says (`/proc`). Linux only. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** TCP addresses a process listens on, as the kernel prints them: `0100007F:1F90`. */
export function listeningAddresses(pid: number): readonly string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      const link = linkIfAny(`/proc/${pid}/fd/${fd}`);
      return /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '';
    }),
  );
  const LISTEN = '0A';
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9] ?? '-'))
      .map((fields) => fields[1] ?? ''),
  );
}

function linkIfAny(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
