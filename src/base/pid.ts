/** Answers: is there a process of this number? */
import { errnoOf } from './errors.ts';

/** Somebody else's process may not be signalled (EPERM), and is alive. */
export function isPidAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}
