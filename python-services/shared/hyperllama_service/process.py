"""What is known of one process at one moment, on every system."""

from __future__ import annotations

# In the environment of the engine and of everything it starts.
TOKEN_NAME = "HYPERLLAMA_RUN_TOKEN"


class Process:
    """Times are in the units of the system: clock ticks on Linux, see `darwin.py` for macOS."""

    __slots__ = ("cpu_ticks", "parent", "pid", "rss_bytes", "start_time", "state")

    def __init__(
        self, pid: int, parent: int, *, state: str, start: int, cpu: int = 0, rss: int = 0
    ) -> None:
        self.pid = pid
        self.parent = parent
        self.state = state
        self.start_time = start
        self.cpu_ticks = cpu
        self.rss_bytes = rss

    @property
    def is_zombie(self) -> bool:
        """Tell whether it is dead and only waits to be reaped."""
        return self.state in "ZX"
