"""Guard one engine: start it, tell its holders, and end its whole tree when nobody needs it.

One thread, one loop: every change of state happens here, and nothing a holder does can block it.
"""

from __future__ import annotations

import os
import selectors
import signal
import time

from .ending import Ending, end_at_once
from .engine import Engine
from .engine_watch import NEVER, EngineWatch
from .leases import Leases
from .order import KEEP_ALIVE_MS_MAX
from .session import Session
from .shared_memory import remove_shared_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from typing import Any

    from .leases import Holder
    from .order import Order

# A holder that was killed waits for no farewell.
KILLED_GRACE_S = 0.2


class Guard:
    """The one writer of a session's state."""

    def __init__(self, order: Order, command: list[str], libc: ctypes.CDLL | None) -> None:
        self._order = order
        self._command = command
        self._libc = libc
        self._pid = os.getpid()
        self._session = Session(order)
        self._selector = selectors.PollSelector()
        self._leases = Leases(self._selector, self)
        self._grace_s = order.grace_ms / 1000
        self._is_last_end_orderly = True
        self._linger_until = self._next_step = NEVER
        self._ending: Ending | None = None
        self._exit_code = 0

    def run(self, first_bytes: bytes, signals: int) -> int:
        """Start the engine and guard it to its end.

        Args:
            first_bytes: what the starter wrote behind the order.
            signals: read end of the pipe that signals are written to.

        Returns:
            Exit code: 0 for an end that was wanted, 1 for any other.

        Raises:
            OSError: the engine could not be started.
        """
        # First of all: a guard killed between a spawn and the ledger leaves what nobody can find.
        self._session.write_ledger(None)
        self._leases.listen(self._session.control)
        self._engine = engine = Engine(self._order, self._command, self._libc)
        self._watch = watch = EngineWatch(engine, self._order.address, self._leases)
        self._selector.register(
            engine.log_fd, selectors.EVENT_READ, lambda _: watch.read_log(self._selector)
        )
        self._selector.register(signals, selectors.EVENT_READ, self._take_signals)
        starter = self._leases.add(0, 1)
        self._leases.broadcast(engine.spawned_event())
        self._session.write_ledger(engine)
        self._leases.take(starter, first_bytes)
        while self._ending is None or self._next_step != NEVER:
            self._leases.flush()
            self._wait()
            self._do_what_is_due(time.monotonic())
        self._leave(self._ending)
        return self._exit_code

    def abandon(self) -> None:
        """Kill the tree at once; for an error of our own."""
        end_at_once(self._pid, self._order.token)
        self._session.remove_files()

    def greet(self, holder: Holder) -> None:
        """Tell a new holder how things stand; one that comes too late holds nothing."""
        self._tell_session(holder)
        if self._session.state == "stopping":
            holder.is_lease = False
            self._leases.close(holder)
            return
        holder.linger_until = self._linger_until
        self._linger_until = NEVER
        self._leases.close_released()

    def follow(self, holder: Holder, command: dict[str, Any]) -> None:
        """Follow a command; one that makes no sense is passed over."""
        name = command.get("command")
        is_stopping = self._session.state == "stopping"
        if name == "ready" and not is_stopping:
            self._become_ready(holder)
        elif name == "stop" and not is_stopping:
            self._stop(self._grace_s)
        elif name == "stop-if-idle" and not is_stopping:
            self._stop_if_idle(holder)
        elif name == "keep-alive":
            ms = command.get("ms")
            if type(ms) is int and 0 <= ms <= KEEP_ALIVE_MS_MAX:
                # Never shorter: another may count on what it asked for.
                self._session.keep_alive_s = max(self._session.keep_alive_s, ms / 1000)
        elif name == "release":
            self._release(holder)
        elif name == "look":
            self._undo(holder)
        elif name == "status":
            self._tell_session(holder)

    def _stop_if_idle(self, holder: Holder) -> None:
        others = self._leases.count - holder.is_lease
        if others > 0:
            holder.writer.send({"event": "held", "leases": others})
        else:
            self._stop(self._grace_s)

    def _release(self, holder: Holder) -> None:
        # The last holder reads on, to see the tree go.
        self._leases.release(holder)
        is_held = self._leases.count > 0 or self._keep_alive_s > 0
        if is_held and self._session.state != "stopping":
            self._leases.close(holder)

    def _undo(self, holder: Holder) -> None:
        """Let go of one who only looked: the keep-alive goes on as if nobody had come."""
        if holder.is_lease and self._leases.count == 1 and holder.linger_until != NEVER:
            holder.is_lease = False
            self._linger_until = holder.linger_until
        self._release(holder)

    def last_lease_ended(self, *, is_orderly: bool) -> None:
        """Begin to linger; an end that is under way need not be gentle for nobody."""
        self._is_last_end_orderly = is_orderly
        if self._session.state != "stopping":
            self._linger_until = time.monotonic() + self._keep_alive_s
        elif not is_orderly:
            self._stop(KILLED_GRACE_S)

    @property
    def _keep_alive_s(self) -> float:
        # A start that was given up is of no use to the next one who asks.
        return self._session.keep_alive_s if self._session.start_ms is not None else 0.0

    def _wait(self) -> None:
        due = min(self._linger_until, self._next_step, self._watch.due)
        timeout = None if due == NEVER else max(0.0, due - time.monotonic())
        for key, _ in self._selector.select(timeout):
            # An earlier callback of this turn may have closed it.
            if key.fd in self._selector.get_map():
                key.data(key.fd)

    def _do_what_is_due(self, now: float) -> None:
        if now >= self._watch.due and self._watch.do_what_is_due(now):
            self._stop(KILLED_GRACE_S)
        if now >= self._linger_until:
            self._stop(self._grace_s if self._is_last_end_orderly else KILLED_GRACE_S)
        if self._ending is not None and now >= self._next_step:
            # An engine that is ended in its start goes on with it for a moment.
            self._engine.note_shared_memory()
            pause = self._ending.step(now, is_engine_alive=self._engine.is_alive)
            self._next_step = NEVER if pause is None else now + pause
            self._reap()

    def _take_signals(self, fd: int) -> None:
        numbers = os.read(fd, 4096)
        self._reap()
        if any(number != signal.SIGCHLD for number in numbers):
            # Whoever asks twice is in a hurry.
            is_first = self._session.state != "stopping"
            self._stop(self._grace_s if is_first else KILLED_GRACE_S)

    def _become_ready(self, holder: Holder) -> None:
        if self._session.start_ms is not None:
            holder.writer.send({"event": "ready", "startMs": self._session.start_ms})
            return
        self._session.state = "ready"
        self._session.start_ms = int((time.monotonic() - self._engine.started) * 1000)
        self._watch.settle()
        self._engine.note_shared_memory()
        self._leases.broadcast({"event": "ready", "startMs": self._session.start_ms})
        self._session.write_ledger(self._engine)

    def _reap(self) -> None:
        if not self._engine.reap():
            return
        is_wanted = self._session.state == "stopping"
        self._watch.read_log(self._selector)
        self._leases.broadcast(self._engine.exit_event(is_wanted=is_wanted))
        self._exit_code = 0 if is_wanted else 1
        self._stop(self._grace_s)

    def _stop(self, grace_s: float) -> None:
        """Begin to end the tree, or bring the end of its grace forward."""
        deadline = time.monotonic() + grace_s
        self._next_step = 0.0
        if self._ending is not None:
            self._ending.hurry(deadline)
            return
        self._engine.note_shared_memory()
        self._ending = Ending(self._pid, self._order.token, deadline=deadline)
        self._ending.begin(self._engine.process(), self._order.shutdown_signal)
        self._session.state = "stopping"
        self._linger_until = NEVER
        self._watch.stop()
        self._session.write_ledger(self._engine)

    def _tell_session(self, holder: Holder) -> None:
        count, is_listening = self._leases.count, self._watch.is_listening
        holder.writer.send(self._session.event(self._engine, count, is_listening=is_listening))

    def _leave(self, ending: Ending) -> None:
        if ending.survivors:
            # The ledger stays, so that the reaper tries again.
            because = f"could not be ended: {[process.pid for process in ending.survivors]}"
            self._leases.broadcast({"event": "failed", "code": "HL_INTERNAL", "because": because})
        else:
            remove_shared_memory(self._engine.shared_memory)
            self._session.remove_files()
        self._leases.say_farewell()
        self._engine.log.close()
