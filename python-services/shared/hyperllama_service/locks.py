"""Hold operating-system locks: the kernel frees them when the holder dies, however it dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time

# A lock file may vanish between open and flock as often as sessions end; more is a bug.
ATTEMPTS_MAX = 50
WAIT_STEP_S = 0.05


def try_lock(path: str) -> int | None:
    """Take the exclusive lock on `path` without waiting.

    Returns:
        The descriptor that holds the lock, `None` when somebody else holds it.
    """
    for _ in range(ATTEMPTS_MAX):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise
        if _is_same_file(fd, path):
            return fd
        # The last holder removed the file after we opened it: this lock guards nothing.
        os.close(fd)
    raise OSError(errno.EAGAIN, f"the lock file vanished {ATTEMPTS_MAX} times", path)


def wait_for_lock(path: str, deadline: float) -> int | None:
    """Try until `deadline` (`time.monotonic` seconds); `None` when it passed first."""
    while True:
        fd = try_lock(path)
        if fd is not None or time.monotonic() >= deadline:
            return fd
        time.sleep(WAIT_STEP_S)


def _is_same_file(fd: int, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
