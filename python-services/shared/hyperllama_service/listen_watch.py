"""Watch for the moment the engine listens at its address, or somebody else does."""

from __future__ import annotations

from .listeners import find_listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .order import Address

# How often to look, by the age of the start: fast engines listen in 0.3 s, slow ones in minutes.
STEPS_S = ((5.0, 0.01), (60.0, 0.02), (float("inf"), 0.1))
# A process may bind between our look at the table and our look at its descriptors, so that its
# own socket seems foreign once.
STRANGER_LOOKS = 3
NEVER = float("inf")


class ListenWatch:
    """Looks until it has found out. Times are `time.monotonic` seconds."""

    def __init__(self, address: Address, guard: int, now: float) -> None:
        self.is_listening = False
        self.next_look = now
        self._address = address
        self._guard = guard
        self._begun = now
        self._stranger_looks = 0

    def look(self, now: float) -> str | None:
        """Look once; return `ours` or `theirs` when that is certain, `None` before."""
        found = find_listener(self._address, self._guard)
        age = now - self._begun
        self.next_look = now + next(step for limit, step in STEPS_S if age < limit)
        self._stranger_looks = self._stranger_looks + 1 if found == "theirs" else 0
        if found == "ours":
            self.is_listening = True
            self.stop()
            return found
        if self._stranger_looks >= STRANGER_LOOKS:
            self.stop()
            return found
        return None

    def stop(self) -> None:
        """Look no more."""
        self.next_look = NEVER
