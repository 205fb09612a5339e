"""Answer which processes there are, which belong to a session, and end exactly those."""

from __future__ import annotations

import os
import signal
import sys

from .process import TOKEN_NAME, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Environments are short; whoever writes megabytes there is not one of ours.
ENVIRON_BYTES_MAX = 4 * 1024 * 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Not of every kernel (CONFIG_PROC_CHILDREN), and not of macOS.
_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
# One file a thread, 15 µs each: a tree with more is found sooner in the list of all processes.
LISTED_THREADS_MAX = 100


def read_process(pid: int) -> Process | None:
    """Return the process with this pid, `None` when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name may hold spaces and brackets; the last bracket ends it.
    fields = text[text.rindex(b")") + 2 :].split()
    return Process(
        pid,
        int(fields[1]),
        state=fields[0].decode(),
        # utime, stime and those of reaped children: a load may happen in short-lived children.
        cpu=sum(int(field) for field in fields[11:15]),
        start=int(fields[19]),
        rss=int(fields[21]) * _PAGE_BYTES,
    )


def list_processes() -> dict[int, Process]:
    """Return all processes by pid."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def carries_token(pid: int, token: str) -> bool:
    """Tell whether the process was started with our run token in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            text = file.read(ENVIRON_BYTES_MAX)
    except OSError:
        return False
    return f"{TOKEN_NAME}={token}".encode() in text.split(b"\0")


def boot_id() -> str:
    """Return what tells this boot of the machine from every other."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def io_bytes(pid: int) -> int:
    """Return the bytes the process read and wrote so far, 0 when that cannot be seen."""
    try:
        with open(f"/proc/{pid}/io", "rb") as file:
            return sum(int(line.split()[1]) for line in file.readlines()[:2])
    except (OSError, ValueError, IndexError):
        return 0


def descendants(root: int) -> list[Process]:
    """Return the living processes below `root`, parents first.

    A guard is a subreaper: orphans below it are re-parented to it, so they stay descendants. A
    process that ends meanwhile may hide a sibling (proc(5)): a tree is gone only when a later look,
    and one by token, find nobody.
    """
    found = _below_by_children(root) if _LISTS_CHILDREN else None
    return _below_by_parents(root) if found is None else found


def _below_by_children(root: int) -> list[Process] | None:
    """Ask the kernel for the children of each thread; `None` when there are too many threads."""
    found: list[Process] = []
    queue = [root]
    threads_left = LISTED_THREADS_MAX
    while queue:
        folder = f"/proc/{queue.pop()}/task"
        threads = _names(folder)
        threads_left -= len(threads)
        if threads_left < 0:
            return None
        for thread in threads:
            for child in _children(f"{folder}/{thread}/children"):
                queue.append(child.pid)
                if not child.is_zombie:
                    found.append(child)
    return found


def _children(file: str) -> list[Process]:
    try:
        with open(file, "rb") as opened:
            pids = opened.read().split()
    except OSError:
        # The thread has ended.
        return []
    return [process for process in map(read_process, map(int, pids)) if process is not None]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _below_by_parents(root: int) -> list[Process]:
    children: dict[int, list[Process]] = {}
    for process in list_processes().values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue = [root]
    while queue:
        for child in children.get(queue.pop(), ()):
            queue.append(child.pid)
            if not child.is_zombie:
                found.append(child)
    return found


def with_token(token: str, but: Iterable[int] = ()) -> list[Process]:
    """Return the living processes that carry the run token, except those in `but`."""
    left_out = set(but)
    return [
        process
        for process in list_processes().values()
        if process.pid not in left_out
        and not process.is_zombie
        and carries_token(process.pid, token)
    ]


def send_signal(process: Process, number: int, token: str | None = None) -> bool:
    """Signal this very process, never another one that got its pid.

    The pidfd is opened before the check: from then on the pid cannot be handed on.

    Args:
        process: as it was seen; its start time must still be the same.
        number: the signal.
        token: checked as well when given.

    Returns:
        Whether the signal was sent.
    """
    opener = getattr(os, "pidfd_open", None)
    fd = -1
    try:
        if opener is not None:
            try:
                fd = opener(process.pid)
            except ProcessLookupError:
                return False
            except OSError:
                # Kernels before 5.3 and some sandboxes have no pidfd.
                fd = -1
        now = read_process(process.pid)
        if now is None or now.is_zombie or now.start_time != process.start_time:
            return False
        if token is not None and not carries_token(process.pid, token):
            return False
        if fd >= 0 and sys.platform == "linux":
            signal.pidfd_send_signal(fd, number)
        else:
            os.kill(process.pid, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if fd >= 0:
            os.close(fd)


if sys.platform == "darwin":
    from .darwin import (  # noqa: F401
        boot_id,
        carries_token,
        list_processes,
        read_process,
    )
