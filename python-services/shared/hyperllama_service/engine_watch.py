"""Watch a starting engine for its holders: what it says, whether it moves, when it listens."""

from __future__ import annotations

import os
import sys
import time

from .activity import Activity
from .listeners import find_listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    import selectors

    from .engine import Engine
    from .leases import Leases
    from .order import Address

ALIVE_STEP_S = 1.0
# How often to look for the listener: fast engines listen in 0.1 s, slow ones in minutes, and nobody
# notices a wait of half a percent more. A look at a port walks the kernel's table of sockets, which
# took 29 ms on a busy machine, and it may not take the engine's own time; on macOS it starts two
# programs.
LOOK_STEP_S_MIN = 0.1 if sys.platform == "darwin" else 0.01
LOOK_STEP_S_MAX = 0.5
LOOK_STEP_OF_AGE = 0.005
LOOK_STEP_OF_LOOK = 10
# A process may bind between our look at the table and our look at its descriptors, so that its
# own socket seems foreign for a moment.
STRANGER_LOOKS = 3
NEVER = float("inf")


class EngineWatch:
    """Times are `time.monotonic` seconds."""

    def __init__(self, engine: Engine, address: Address, leases: Leases) -> None:
        self.is_listening = False
        self._engine = engine
        self._address = address
        self._leases = leases
        self._guard = os.getpid()
        self._activity = Activity(engine.started)
        self._stranger_looks = 0
        self._is_telling = True
        self._next_look = engine.started
        self._next_alive = engine.started + ALIVE_STEP_S

    @property
    def due(self) -> float:
        """Return when something is to be done next."""
        return min(self._next_look, self._next_alive)

    def do_what_is_due(self, now: float) -> bool:
        """Look and tell; return whether a stranger has our address."""
        if now >= self._next_alive:
            self._next_alive = now + ALIVE_STEP_S
            self._tell_alive(now)
        return now >= self._next_look and self._look_for_listener(now)

    def read_log(self, selector: selectors.BaseSelector) -> None:
        """Take what the engine says."""
        if self._engine.log_fd < 0:
            return
        lines, is_at_end = self._engine.read_log()
        if self._is_telling:
            for line in lines:
                self._leases.broadcast({"event": "log", "line": line})
        if is_at_end:
            selector.unregister(self._engine.log_fd)
            self._engine.close_log()

    def settle(self) -> None:
        """Tell no more of the start: it has succeeded."""
        self._is_telling = False
        self._next_alive = NEVER

    def stop(self) -> None:
        """Look no more: the end has begun."""
        self._next_alive = self._next_look = NEVER

    def _tell_alive(self, now: float) -> None:
        activity = self._activity
        activity.look(now, guard=self._guard, log_bytes=self._engine.log.bytes_seen)
        # An engine that dies in its start can no longer be asked.
        self._engine.note_shared_memory()
        moved = {"quietMs": activity.quiet_ms(now), "rssBytes": activity.rss_bytes}
        self._leases.broadcast({"event": "alive", **moved})

    def _look_for_listener(self, now: float) -> bool:
        found = find_listener(self._address, self._guard)
        age, took = now - self._engine.started, time.monotonic() - now
        step = max(age * LOOK_STEP_OF_AGE, took * LOOK_STEP_OF_LOOK, LOOK_STEP_S_MIN)
        self._next_look = now + min(step, LOOK_STEP_S_MAX)
        self._stranger_looks = self._stranger_looks + 1 if found == "theirs" else 0
        if found == "ours":
            self.is_listening = True
            self._next_look = NEVER
            self._leases.broadcast({"event": "listening"})
        elif self._stranger_looks >= STRANGER_LOOKS:
            self._next_look = NEVER
            self._leases.broadcast({"event": "squatted"})
            return True
        return False
