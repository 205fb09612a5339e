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
from .processes import boot_id, read_process, send_signal, with_token
from .run_folder import lock_run_folder, remove_run_folder
from .shared_memory import FOLDER, remove_shared_memory, shared_memory_of

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
        if _is_abandoned(name):
            remove_file(os.path.join(folder, name))
        if not name.endswith(".json") or name.startswith("."):
            continue
        try:
            pids = reap_ledger(os.path.join(folder, name))
        except OSError as error:
            # The others are still to be looked at.
            emit({"event": "failed", "code": "HL_STATE_UNWRITABLE", "because": str(error)})
            continue
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
    if is_lock_held:
        pids = _end_leftovers(entry)
        if pids is not None:
            remove_file(path)
        return pids
    # Also where the folder is gone, as after a restart of the machine: a new guard of this session
    # may be making it just now, and its ledger and folder are not ours to remove.
    lock = lock_run_folder(folder)
    if lock is None:
        return None
    try:
        now = _read(path)
        if now is not None and now["token"] != entry["token"]:
            return None
        pids = _end_leftovers(entry)
        if pids is not None:
            remove_file(path)
            remove_run_folder(folder)
        return pids
    finally:
        os.close(lock)


def _is_abandoned(name: str) -> bool:
    """Tell whether `.KEY.json.PID` was being written by a process that is no more."""
    pid = name.rpartition(".json.")[2]
    if not name.startswith(".") or not pid.isdigit():
        return False
    writer = read_process(int(pid))
    return writer is None or writer.is_zombie


def _end_leftovers(entry: dict[str, Any]) -> list[int] | None:
    """Kill what carries the session's token; `None` when some of it cannot be killed."""
    segments = _shared_memory(entry)
    segments.update(shared_memory_of(process.pid for process in with_token(entry["token"])))
    pids = _kill_all(entry["token"])
    if pids is not None:
        remove_shared_memory(segments)
    return pids


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


def _shared_memory(entry: dict[str, Any]) -> dict[str, int]:
    found = entry.get("sharedMemory")
    if not isinstance(found, dict) or entry["bootId"] != boot_id():
        return {}
    return {
        path: inode
        for path, inode in found.items()
        if os.path.dirname(path) + "/" == FOLDER and isinstance(inode, int)
    }


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
