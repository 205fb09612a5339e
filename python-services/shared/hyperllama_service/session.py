"""Make the run folder of a session ours alone, and describe the session to others."""

from __future__ import annotations

import os
import stat
import time

from .ledger import SCHEMA
from .locks import ATTEMPTS_MAX, try_lock
from .processes import boot_id, read_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .order import Order


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
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for path in (folder, os.path.dirname(folder)):
            found = os.lstat(path)
            is_ours = found.st_uid in (os.geteuid(), 0)
            if not stat.S_ISDIR(found.st_mode) or not is_ours:
                raise UnsafeFolderError(f"`{path}` is not a folder of this user")
        try:
            os.chmod(folder, 0o700)
            return try_lock(os.path.join(folder, "lock"))
        except FileNotFoundError:
            # The guard before us has just removed its folder.
            continue
    raise UnsafeFolderError(f"`{folder}` vanished {ATTEMPTS_MAX} times")


def control_path(order: Order) -> str:
    """Return the path of the control socket."""
    return os.path.join(order.run_folder, "c.sock")


def ledger_entry(order: Order, engine: tuple[int, int], changing: dict[str, Any]) -> dict[str, Any]:
    """Return what the ledger says: `engine` is pid and start time, `changing` state and startMs."""
    guard = read_process(os.getpid())
    return {
        "schema": SCHEMA,
        "key": order.key,
        "token": order.token,
        "bootId": boot_id(),
        "guard": {"pid": os.getpid(), "startTime": guard.start_time if guard else 0},
        "engine": {"pid": engine[0], "startTime": engine[1]},
        "control": control_path(order),
        "address": order.address.to_json(),
        **changing,
        "logFile": order.log_file,
        "about": order.about,
    }


def iso_now() -> str:
    """Return the wall-clock time for people to read; durations never come from it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
