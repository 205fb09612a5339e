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
    """Remove those segments that are still the same and that no process has mapped.

    Args:
        segments: inode by path, as `shared_memory_of` returned them earlier.

    Returns:
        The paths that were removed.
    """
    present = {path: inode for path, inode in segments.items() if _inode(path) == inode}
    if not present:
        return []
    in_use = shared_memory_of(int(name) for name in os.listdir("/proc") if name.isdigit())
    removed = []
    for path in sorted(present.keys() - in_use.keys()):
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


def _inode(path: str) -> int | None:
    """Return the inode of a segment of this user, `None` when there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino if found.st_uid == os.geteuid() else None
