"""Start the engine so that it cannot outlive its guard, with a clean slate of signals."""

from __future__ import annotations

import errno
import os
import signal
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

# Constants of <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# Room for a burst of log lines while the guard does something else.
LOG_PIPE_BYTES = 1024 * 1024
F_SETPIPE_SZ = 1031
EXIT_NOT_STARTED = 127


def load_prctl() -> ctypes.CDLL | None:
    """Return libc for `prctl`, `None` where there is none (macOS, a Python without ctypes)."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes
    except ImportError:
        return None
    return ctypes.CDLL(None, use_errno=True)


def become_subreaper(libc: ctypes.CDLL | None) -> bool:
    """Have orphans below this process re-parented to it; tell whether the system can."""
    return libc is not None and libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


class SpawnError(OSError):
    """The program could not be executed."""


def spawn_engine(
    command: list[str], environment: dict[str, str], *, folder: str, libc: ctypes.CDLL | None
) -> tuple[int, int]:
    """Start `command` in `folder`.

    Must be called from the main thread: the parent-death signal fires when the *thread* that
    spawned ends, not when the process does.

    Returns:
        pid of the engine, and the non-blocking read end of its stdout and stderr.

    Raises:
        SpawnError: with the errno of the failed exec.
    """
    log_read, log_write = os.pipe()
    failure_read, failure_write = os.pipe()
    _enlarge(log_write)
    guard = os.getpid()
    # A signal between fork and exec would run the guard's handlers in the child.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _become_engine(command, environment, folder, (guard, log_write, failure_write, libc))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(log_write)
        os.close(failure_write)
    with open(failure_read, "rb") as file:
        report = file.read(4)
    if report:
        os.waitpid(pid, 0)
        os.close(log_read)
        (number,) = struct.unpack("=i", report)
        raise SpawnError(number, os.strerror(number), command[0])
    os.set_blocking(log_read, False)
    return pid, log_read


def _become_engine(
    command: list[str],
    environment: dict[str, str],
    folder: str,
    inherited: tuple[int, int, int, ctypes.CDLL | None],
) -> None:
    guard, log_write, failure_write, libc = inherited
    try:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != guard:
                # The guard died before the request took effect: nobody would ever end us.
                os._exit(EXIT_NOT_STARTED)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log_write, 1)
        os.dup2(log_write, 2)
        os.chdir(folder)
        os.umask(0o077)
        # Python ignores SIGPIPE and SIGXFSZ, and ignored signals survive an exec.
        for number in signal.valid_signals():
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(command[0], command, environment)
    except OSError as error:
        os.write(failure_write, struct.pack("=i", error.errno or errno.EIO))
    finally:
        os._exit(EXIT_NOT_STARTED)


def _enlarge(pipe: int) -> None:
    if sys.platform != "linux":
        return
    import fcntl

    try:
        fcntl.fcntl(pipe, F_SETPIPE_SZ, LOG_PIPE_BYTES)
    except OSError:
        # Above the user's limit for pipes: the default of 64 KiB works as well.
        pass
