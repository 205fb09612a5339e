"""The engine's own process: its start, its log, its exit and the cause of it."""

from __future__ import annotations

import os
import signal
import sys
import time

from .log import EngineLog
from .memory_kills import has_killed_since, kill_counts
from .processes import descendants, read_process
from .shared_memory import shared_memory_of
from .spawn import spawn_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from typing import Any

    from .order import Order
    from .process import Process

READ_BYTES = 64 * 1024
# Log bytes taken in one turn, so that a flood cannot keep the loop from its other work; at the
# end the pipe may hold this much once more.
TURN_BYTES_MAX = 2 * 1024 * 1024
# The cause may stand above a long farewell: MAX says which process crashed, then 90 lines of what
# that broke (26.7.0).
EXIT_LINES_MAX = 200


class Engine:
    """A started engine. `pid` stays after the end; `is_alive` tells."""

    def __init__(self, order: Order, command: list[str], libc: ctypes.CDLL | None) -> None:
        """Start `command`.

        Raises:
            SpawnError: the program cannot be executed.
        """
        self.log = EngineLog(order.log_file)
        if order.temporary is not None:
            os.makedirs(order.temporary, mode=0o700, exist_ok=True)
        self.pid, self.log_fd = spawn_engine(
            command, order.environment(), folder=order.run_folder, libc=libc
        )
        self.started = time.monotonic()
        process = read_process(self.pid)
        self.start_time = process.start_time if process is not None else 0
        self._kills_before = kill_counts(self.pid)
        self._status: int | None = None
        # Inode by path: what a killed tree leaves in `/dev/shm`.
        self.shared_memory: dict[str, int] = {}

    @property
    def is_alive(self) -> bool:
        """Tell whether the process has not been reaped yet."""
        return self._status is None

    def spawned_event(self) -> dict[str, Any]:
        """Return the `spawned` event."""
        return {"event": "spawned", "pid": self.pid, "startTime": self.start_time}

    def process(self) -> Process | None:
        """Return the process as it is now, `None` when it is gone."""
        return read_process(self.pid) if self.is_alive else None

    def note_shared_memory(self) -> None:
        """Remember which segments the tree has mapped, while it can still be seen."""
        if sys.platform == "linux":
            pids = [process.pid for process in descendants(os.getpid())]
            self.shared_memory.update(shared_memory_of(pids))

    def reap(self) -> bool:
        """Reap every dead child and adopted orphan; tell whether the engine was among them."""
        has_ended = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return has_ended
            if pid == 0:
                return has_ended
            if pid == self.pid and self.is_alive:
                self._status = status
                has_ended = True

    def read_log(self) -> tuple[list[str], bool]:
        """Return the new lines, and whether every writer has closed the pipe."""
        lines: list[str] = []
        taken = 0
        while taken < TURN_BYTES_MAX and self.log_fd >= 0:
            try:
                data = os.read(self.log_fd, READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                return [*lines, *self.log.finish()], True
            taken += len(data)
            lines += self.log.feed(data)
        return lines, False

    def close_log(self) -> None:
        """Close our end of the pipe."""
        if self.log_fd >= 0:
            os.close(self.log_fd)
            self.log_fd = -1

    def exit_event(self, *, is_wanted: bool) -> dict[str, Any]:
        """Return how it ended; only for one that has ended."""
        assert self._status is not None
        number = os.WTERMSIG(self._status) if os.WIFSIGNALED(self._status) else None
        code = os.WEXITSTATUS(self._status) if os.WIFEXITED(self._status) else None
        # The kernel may have killed a descendant, after which the engine ended by itself.
        has_failed = number == signal.SIGKILL or (code is not None and code != 0)
        is_oom = not is_wanted and has_failed and has_killed_since(self._kills_before)
        return {
            "event": "exited",
            "code": code,
            "signal": None if number is None else _signal_name(number),
            "isOom": is_oom,
            "isWanted": is_wanted,
            "tail": self.log.tail(EXIT_LINES_MAX),
        }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
