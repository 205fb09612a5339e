"""Make a session's folder, ours alone, hold its lock, and remove it at the end."""

from __future__ import annotations

import os
import stat

from .ledger import remove_file
from .locks import ATTEMPTS_MAX, try_lock

LOCK_NAME = "lock"
CONTROL_NAME = "c.sock"


class UnsafeFolderError(OSError):
    """Somebody else could reach into the run folder."""


def lock_run_folder(folder: str) -> int | None:
    """Make the folder, 0700, and take the session's lock in it.

    Returns:
        The descriptor that holds the lock, `None` when another guard has it.

    Raises:
        UnsafeFolderError: the folder or the one above it belongs to another user.
    """
    for _ in range(ATTEMPTS_MAX):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            for path in (folder, os.path.dirname(folder)):
                found = os.lstat(path)
                if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), 0):
                    raise UnsafeFolderError(f"`{path}` is not a folder of this user")
            os.chmod(folder, 0o700)
            return try_lock(os.path.join(folder, LOCK_NAME))
        except FileNotFoundError:
            # The guard before us has just removed its folder.
            continue
    raise UnsafeFolderError(f"`{folder}` vanished {ATTEMPTS_MAX} times")


def remove_run_folder(folder: str) -> None:
    """Remove a session's folder, its lock last: until then no other guard may start in it.

    Only for the holder of the lock.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted(names, key=lambda name: name == LOCK_NAME):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_tree(path)
        else:
            remove_file(path)
    try:
        os.rmdir(folder)
    except OSError:
        # Another guard has made its lock here in the meantime.
        pass


def _remove_tree(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        # Only for one that is not empty: the import takes longer than the rest of an end.
        from shutil import rmtree

        rmtree(folder, ignore_errors=True)
