"""End a tree of processes: signal, grace, then SIGKILL until none is left."""

from __future__ import annotations

import signal
import time

from .processes import descendants, send_signal, with_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .process import Process

# Once the engine's own process is gone nobody tells its children to finish, so they get little.
ORPHAN_GRACE_S = 0.5
# A process in an uninterruptible wait (a dead network disk) cannot be killed: say so and leave.
KILL_LIMIT_S = 10.0
KILL_STEP_S = 0.005
# The end of the engine itself wakes the loop by SIGCHLD.
GRACE_STEP_S = 0.05


class Ending:
    """The end of one tree, driven by `step`. All times are `time.monotonic` seconds."""

    def __init__(self, guard: int, token: str, *, deadline: float) -> None:
        self._guard = guard
        self._token = token
        self._signal = int(signal.SIGTERM)
        self._deadline = deadline
        self._orphans_told = False
        self._kill_limit: float | None = None
        self.survivors: list[Process] = []

    def begin(self, engine: Process | None, number: int) -> None:
        """Ask the engine's own process to finish; it knows how to end its children."""
        self._signal = number
        if engine is not None:
            send_signal(engine, self._signal)

    def hurry(self, deadline: float) -> None:
        """Bring the end of the grace forward."""
        self._deadline = min(self._deadline, deadline)

    def step(self, now: float, *, is_engine_alive: bool) -> float | None:
        """Do what is due.

        Args:
            now: the moment of this step.
            is_engine_alive: its own process has not been reaped yet.

        Returns:
            Seconds until the next step, `None` when no process is left or none can be ended.
        """
        if now < self._deadline:
            if is_engine_alive:
                return min(GRACE_STEP_S, self._deadline - now)
            left = self._left()
            if not left:
                return None
            if not self._orphans_told:
                self._orphans_told = True
                self.hurry(now + ORPHAN_GRACE_S)
                for process in left:
                    send_signal(process, self._signal)
            return KILL_STEP_S
        return self._kill(now)

    def _kill(self, now: float) -> float | None:
        left = self._left()
        if not left:
            return None
        if self._kill_limit is None:
            self._kill_limit = now + KILL_LIMIT_S
        if now >= self._kill_limit:
            self.survivors = left
            return None
        for process in left:
            send_signal(process, signal.SIGKILL)
        return KILL_STEP_S

    def _left(self) -> list[Process]:
        """Return who is left of the tree; the slower look by token only when it seems empty."""
        return descendants(self._guard) or with_token(self._token, but=[self._guard])


def end_at_once(guard: int, token: str) -> None:
    """Kill the tree below `guard` without grace and wait until it is gone."""
    ending = Ending(guard, token, deadline=0.0)
    while ending.step(time.monotonic(), is_engine_alive=False) is not None:
        time.sleep(KILL_STEP_S)
