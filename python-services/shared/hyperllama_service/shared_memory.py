"""Find the shared memory of a tree, and remove what it left behind when it was killed.

A process that is killed removes no name from `/dev/shm`; vLLM leaves 420 MB there (seen with 0.32).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "/dev/shm/"  # noqa: S108


def shared_memory_of(pids: Iterable[int]) -> dict[str, int]:
    """Return the inode of each named segment that one of the processes has mapped."""
    found: dict[str, int] = {}
    for pid in pids:
        for path, inode in _mapped_by(pid):
            found[path] = inode
    return found


def remove_shared_memory(segments: dict[str, int]) -> list[str]:
    """Remove those segments that are still there and that no process has mapped.

    By inode, which the kernel gives to no second segment: a semaphore is mapped under a name that
    is gone at once, and lives on under another.

    Args:
        segments: inode by path, as `shared_memory_of` returned them earlier.

    Returns:
        The paths that were removed.
    """
    present = _own_segments(set(segments.values())) if segments else {}
    if not present:
        return []
    everyone = (int(name) for name in os.listdir("/proc") if name.isdigit())
    in_use = set(shared_memory_of(everyone).values())
    removed = []
    for path in sorted(path for path, inode in present.items() if inode not in in_use):
        try:
            os.unlink(path)
        except OSError:
            continue
        removed.append(path)
    return removed


def _mapped_by(pid: int) -> list[tuple[str, int]]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            lines = [line.split(maxsplit=5) for line in file if FOLDER in line]
    except OSError:
        return []
    found = [(fields[5].rstrip("\n"), int(fields[4])) for fields in lines if len(fields) == 6]
    return [(path, inode) for path, inode in found if path.startswith(FOLDER)]


def _own_segments(inodes: set[int]) -> dict[str, int]:
    """Return the inode by path of those that are there and belong to this user."""
    paths = (entry.path for entry in os.scandir(FOLDER) if entry.inode() in inodes)
    return {path: inode for path in paths if (inode := _inode(path)) is not None}


def _inode(path: str) -> int | None:
    """Return the inode of a segment of this user, `None` when there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino if found.st_uid == os.geteuid() else None
