"""The state of a session, as holders hear it and the ledger keeps it; the guard alone sets it."""

from __future__ import annotations

import os
import time

from .ledger import SCHEMA, remove_file, write_atomically
from .processes import boot_id, read_process
from .run_folder import CONTROL_NAME, remove_run_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .engine import Engine
    from .order import Order


class Session:
    """`state` is `starting`, `ready` or `stopping`; `start_ms` is null before `ready`."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.state = "starting"
        self.start_ms: int | None = None
        self.keep_alive_s = order.keep_alive_ms / 1000
        self.control = os.path.join(order.run_folder, CONTROL_NAME)
        # For people to read; durations never come from the wall clock.
        self._started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def event(self, engine: Engine, leases: int, *, is_listening: bool) -> dict[str, Any]:
        """Return the `session` event."""
        return {
            "event": "session",
            "state": self.state,
            "guardPid": os.getpid(),
            "enginePid": engine.pid,
            "address": self.order.address.to_json(),
            "isListening": is_listening,
            "startMs": self.start_ms,
            "ageMs": int((time.monotonic() - engine.started) * 1000),
            "leases": leases,
            "keepAliveMs": int(self.keep_alive_s * 1000),
            "about": self.order.about,
            "tail": engine.log.tail(),
        }

    def write_ledger(self, engine: Engine | None) -> None:
        """Write the ledger file; without it the session works, so a failure is only noted."""
        guard = read_process(os.getpid())
        entry = {
            "schema": SCHEMA,
            "key": self.order.key,
            "token": self.order.token,
            "bootId": boot_id(),
            "guard": {"pid": os.getpid(), "startTime": guard.start_time if guard else 0},
            "engine": {"pid": engine.pid, "startTime": engine.start_time} if engine else None,
            "control": self.control,
            "address": self.order.address.to_json(),
            "state": self.state,
            "startMs": self.start_ms,
            "startedAt": self._started_at,
            "logFile": self.order.log_file,
            "sharedMemory": engine.shared_memory if engine else {},
            "about": self.order.about,
        }
        try:
            # Before the spawn every millisecond is waited for, and only a kill must find the file:
            # no process of ours survives the machine's end.
            write_atomically(self.order.ledger_file, entry, is_durable=engine is not None)
        except OSError as error:
            because = f"`{self.order.ledger_file}` cannot be written: {error.strerror}"
            os.write(2, f"guard: {because}\n".encode())

    def remove_files(self) -> None:
        """Remove what tells of the session; only when its tree is gone."""
        if self.order.address.kind == "unix":
            remove_file(self.order.address.path)
        remove_file(self.order.ledger_file)
        remove_run_folder(self.order.run_folder)
