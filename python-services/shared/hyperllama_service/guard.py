"""Guard one engine: start it, tell its holders, and end its whole tree when nobody needs it.

One thread, one loop: every change of state happens here, and nothing a holder does can block it.
"""

from __future__ import annotations

import os
import selectors
import signal
import time

from .activity import Activity
from .ending import Ending
from .engine import Engine
from .leases import Leases
from .ledger import remove_file, remove_run_folder, write_atomically
from .listen_watch import ListenWatch
from .order import KEEP_ALIVE_MS_MAX
from .session import control_path, iso_now, ledger_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from typing import Any

    from .leases import Holder
    from .order import Order

# A holder that was killed waits for no farewell.
KILLED_GRACE_S = 0.2
ALIVE_STEP_S = 1.0
# How long slow readers may take for the last lines.
FAREWELL_S = 0.5
NEVER = float("inf")


class Guard:
    """The one writer of a session's state: `starting`, `ready`, `stopping`."""

    def __init__(self, order: Order, command: list[str], libc: ctypes.CDLL | None) -> None:
        self._order = order
        self._command = command
        self._libc = libc
        self._pid = os.getpid()
        self._state = "starting"
        self._start_ms: int | None = None
        self._started_at = iso_now()
        self._keep_alive_s = order.keep_alive_ms / 1000
        self._is_last_end_orderly = True
        self._linger_until = NEVER
        self._next_alive = NEVER
        self._next_step = NEVER
        self._ending: Ending | None = None
        self._exit_code = 0
        self._selector = selectors.PollSelector()
        self._leases = Leases(
            self._selector,
            on_command=self._follow,
            on_lease_end=self._lease_ended,
            on_holder=self._greet,
        )

    def run(self, first_bytes: bytes, signals: int) -> int:
        """Start the engine and guard it to its end.

        Args:
            first_bytes: what the starter wrote behind the order.
            signals: read end of the signal wakeup pipe.

        Returns:
            Exit code: 0 for an end that was wanted, 1 for any other.

        Raises:
            OSError: the engine could not be started.
        """
        self._leases.listen(control_path(self._order))
        self._engine = Engine(self._order, self._command, self._libc)
        self._selector.register(self._engine.log_fd, selectors.EVENT_READ, self._read_log)
        self._selector.register(signals, selectors.EVENT_READ, self._take_signals)
        now = self._engine.started
        self._watch = ListenWatch(self._order.address, self._pid, now)
        self._activity = Activity(now)
        self._next_alive = now + ALIVE_STEP_S
        starter = self._leases.add(0, 1)
        self._greet(starter)
        engine = self._engine
        spawned = {"event": "spawned", "pid": engine.pid, "startTime": engine.start_time}
        self._leases.broadcast(spawned)
        self._write_ledger()
        self._leases.take(starter, first_bytes)
        while self._is_running():
            self._wait()
            self._do_what_is_due(time.monotonic())
        self._leave()
        return self._exit_code

    def abandon(self) -> None:
        """Kill the tree at once; for an error of our own."""
        if self._ending is None:
            self._ending = Ending(self._pid, self._order.token, number=signal.SIGKILL, deadline=0.0)
        self._ending.hurry(0.0)
        while self._ending.step(time.monotonic(), None) is not None:
            time.sleep(0.005)
        self._clean_up()

    # -- the loop ------------------------------------------------------------------------------

    def _is_running(self) -> bool:
        return self._ending is None or self._next_step != NEVER

    def _wait(self) -> None:
        due = min(self._linger_until, self._next_alive, self._next_step, self._watch.next_look)
        timeout = None if due == NEVER else max(0.0, due - time.monotonic())
        if not self._leases.is_flushed:
            timeout = min(0.02, NEVER if timeout is None else timeout)
        for key, _ in self._selector.select(timeout):
            # An earlier callback of this turn may have closed it.
            if key.fd in self._selector.get_map():
                key.data(key.fd)
        self._leases.flush()

    def _do_what_is_due(self, now: float) -> None:
        if now >= self._watch.next_look:
            self._look_for_listener(now)
        if now >= self._next_alive:
            self._tell_alive(now)
        if now >= self._linger_until:
            self._linger_until = NEVER
            self._stop(KILLED_GRACE_S if not self._is_last_end_orderly else self._grace_s())
        if self._ending is not None and now >= self._next_step:
            engine = self._engine
            pause = self._ending.step(now, engine.pid if engine.is_alive else None)
            self._next_step = NEVER if pause is None else now + pause
            if engine.reap():
                self._engine_ended()

    def _look_for_listener(self, now: float) -> None:
        found = self._watch.look(now)
        if found == "ours":
            self._leases.broadcast({"event": "listening"})
        elif found == "theirs":
            self._leases.broadcast({"event": "squatted"})
            self._stop(KILLED_GRACE_S)

    def _tell_alive(self, now: float) -> None:
        self._activity.look(now, guard=self._pid, log_bytes=self._engine.log.bytes_seen)
        quiet_ms, rss_bytes = self._activity.quiet_ms(now), self._activity.rss_bytes
        self._leases.broadcast({"event": "alive", "quietMs": quiet_ms, "rssBytes": rss_bytes})
        self._next_alive = now + ALIVE_STEP_S

    def _read_log(self, _: int) -> None:
        lines, is_at_end = self._engine.read_log()
        if self._state == "starting":
            for line in lines:
                self._leases.broadcast({"event": "log", "line": line})
        if is_at_end:
            self._selector.unregister(self._engine.log_fd)
            self._engine.close_log()

    def _take_signals(self, fd: int) -> None:
        numbers = os.read(fd, 4096)
        if self._engine.reap():
            self._engine_ended()
        if any(number != signal.SIGCHLD for number in numbers):
            self._stop(self._grace_s() if self._state != "stopping" else KILLED_GRACE_S)

    # -- changes of state ----------------------------------------------------------------------

    def _engine_ended(self) -> None:
        is_wanted = self._state == "stopping"
        if self._engine.log_fd >= 0:
            self._read_log(0)
        self._leases.broadcast(self._engine.exit_event(is_wanted=is_wanted))
        if not is_wanted:
            self._exit_code = 1
        self._stop(self._grace_s())
        self._next_step = 0.0

    def _stop(self, grace_s: float) -> None:
        deadline = time.monotonic() + grace_s
        if self._ending is not None:
            self._ending.hurry(deadline)
            self._next_step = 0.0
            return
        number = self._order.shutdown_signal
        self._ending = Ending(self._pid, self._order.token, number=number, deadline=deadline)
        self._ending.begin(self._engine.process())
        self._state = "stopping"
        self._next_step = 0.0
        self._next_alive = self._linger_until = NEVER
        self._watch.stop()
        self._write_ledger()

    def _lease_ended(self, is_orderly: bool) -> None:
        self._is_last_end_orderly = is_orderly
        if self._state != "stopping":
            self._linger_until = time.monotonic() + self._keep_alive_s
        elif not is_orderly:
            self._stop(KILLED_GRACE_S)

    def _follow(self, holder: Holder, command: dict[str, Any]) -> None:
        name = command.get("command")
        if name == "ready" and self._state != "stopping":
            self._become_ready(holder)
        elif name == "stop" and self._state != "stopping":
            self._stop(self._grace_s())
        elif name == "keep-alive":
            ms = command.get("ms")
            if isinstance(ms, int) and 0 <= ms <= KEEP_ALIVE_MS_MAX:
                self._keep_alive_s = ms / 1000
        elif name == "release":
            self._leases.release(holder, is_orderly=True)
        elif name == "status":
            holder.writer.send(self._session())

    def _become_ready(self, holder: Holder) -> None:
        if self._start_ms is not None:
            holder.writer.send({"event": "ready", "startMs": self._start_ms})
            return
        self._state = "ready"
        self._start_ms = int((time.monotonic() - self._engine.started) * 1000)
        self._next_alive = NEVER
        self._leases.broadcast({"event": "ready", "startMs": self._start_ms})
        self._write_ledger()

    def _greet(self, holder: Holder) -> None:
        holder.writer.send(self._session())
        if self._state == "stopping":
            holder.is_lease = False
            self._leases.close(holder)
            return
        self._linger_until = NEVER

    # -- what is told and written --------------------------------------------------------------

    def _grace_s(self) -> float:
        return self._order.grace_ms / 1000

    def _session(self) -> dict[str, Any]:
        return {
            "event": "session",
            "state": self._state,
            "guardPid": self._pid,
            "enginePid": self._engine.pid,
            "address": self._order.address.to_json(),
            "isListening": self._watch.is_listening,
            "startMs": self._start_ms,
            "ageMs": int((time.monotonic() - self._engine.started) * 1000),
            "leases": self._leases.count,
            "keepAliveMs": int(self._keep_alive_s * 1000),
            "about": self._order.about,
            "tail": self._engine.log.tail(),
        }

    def _write_ledger(self) -> None:
        engine = (self._engine.pid, self._engine.start_time)
        changing = {
            "state": self._state,
            "startMs": self._start_ms,
            "startedAt": self._started_at,
        }
        try:
            write_atomically(self._order.ledger_file, ledger_entry(self._order, engine, changing))
        except OSError as error:
            # Without the ledger the session works; only a killed guard would leave a trace.
            because = f"`{self._order.ledger_file}` cannot be written: {error.strerror}"
            os.write(2, f"guard: {because}\n".encode())

    def _leave(self) -> None:
        survivors = self._ending.survivors if self._ending is not None else []
        if survivors:
            pids = ", ".join(str(process.pid) for process in survivors)
            because = f"these processes could not be ended within 10 s: {pids}"
            self._leases.broadcast({"event": "failed", "code": "HL_INTERNAL", "because": because})
        # The ledger stays for the reaper when somebody is left.
        if not survivors:
            self._clean_up()
        until = time.monotonic() + FAREWELL_S
        while not self._leases.is_flushed and time.monotonic() < until:
            self._leases.flush()
            time.sleep(0.01)
        self._engine.log.close()

    def _clean_up(self) -> None:
        address = self._order.address
        if address.kind == "unix":
            remove_file(address.path)
        remove_file(self._order.ledger_file)
        remove_run_folder(self._order.run_folder)
