"""End what killed guards left: `python -m hyperllama_service.reap SESSIONS_FOLDER`.

Never by a name or a bare pid: only what carries a dead session's run token.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from .events import decode, emit
from .ledger import SCHEMA, remove_file
from .locks import try_lock
from .processes import boot_id, read_process, send_signal, with_token
from .run_folder import LOCK_NAME, remove_run_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A process in an uninterruptible wait cannot be ended; the ledger then stays for the next time.
KILL_LIMIT_S = 5.0
KILL_STEP_S = 0.01
LEDGER_BYTES_MAX = 2 * 1024 * 1024


def reap_folder(folder: str) -> None:
    """Reap every session in the folder whose guard is dead, and say so."""
    sessions = processes = 0
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        names = []
    for name in names:
        if not name.endswith(".json") or name.startswith("."):
            continue
        pids = reap_ledger(os.path.join(folder, name))
        if pids is not None:
            sessions += 1
            processes += len(pids)
            emit({"event": "reaped", "key": name[: -len(".json")], "pids": pids})
    emit({"event": "done", "sessions": sessions, "processes": processes})


def reap_ledger(path: str, *, is_lock_held: bool = False) -> list[int] | None:
    """End what is left of one session.

    Args:
        path: the ledger file.
        is_lock_held: the caller holds the session's lock and keeps its run folder.

    Returns:
        The pids that were killed, `None` when the session lives or the file is not ours.
    """
    entry = _read(path)
    if entry is None or _is_guard_alive(entry):
        return None
    folder = os.path.dirname(entry["control"])
    lock: int | None = None
    if not is_lock_held and os.path.isdir(folder):
        lock = try_lock(os.path.join(folder, LOCK_NAME))
        if lock is None:
            # A new guard of the same session has just started here.
            return None
    try:
        pids = _kill_all(entry["token"])
        if pids is None:
            return None
        remove_file(path)
        if not is_lock_held:
            remove_run_folder(folder)
        return pids
    finally:
        if lock is not None:
            os.close(lock)


def _kill_all(token: str) -> list[int] | None:
    """Kill until no process carries the token; `None` when some cannot be killed."""
    killed: set[int] = set()
    limit = time.monotonic() + KILL_LIMIT_S
    while True:
        left = with_token(token, but=[os.getpid()])
        if not left:
            return sorted(killed)
        if time.monotonic() >= limit:
            return None
        for process in left:
            if send_signal(process, signal.SIGKILL, token):
                killed.add(process.pid)
        time.sleep(KILL_STEP_S)


def _is_guard_alive(entry: dict[str, Any]) -> bool:
    if entry["bootId"] != boot_id():
        return False
    guard = read_process(entry["guard"]["pid"])
    return (
        guard is not None
        and not guard.is_zombie
        and guard.start_time == entry["guard"]["startTime"]
    )


def _read(path: str) -> dict[str, Any] | None:
    """Return the ledger, `None` when it is not one of ours."""
    try:
        with open(path, "rb") as file:
            entry = decode(file.read(LEDGER_BYTES_MAX))
    except OSError:
        return None
    if entry is None or entry.get("schema") != SCHEMA:
        return None
    guard, token = entry.get("guard"), entry.get("token")
    is_whole = (
        isinstance(guard, dict)
        and isinstance(guard.get("pid"), int)
        and isinstance(guard.get("startTime"), int)
        and isinstance(token, str)
        # An empty token would match what has none.
        and len(token) == 32
        and isinstance(entry.get("control"), str)
        and os.path.isabs(entry["control"])
        # The folder of the control socket is removed: it must be the session's own.
        and os.path.basename(os.path.dirname(entry["control"])) == entry.get("key")
        and isinstance(entry.get("bootId"), str)
    )
    return entry if is_whole else None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m hyperllama_service.reap SESSIONS_FOLDER\n")
        sys.exit(2)
    reap_folder(sys.argv[1])
