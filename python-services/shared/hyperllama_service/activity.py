"""Answer how long a starting tree has been quiet, and how much memory it holds."""

from __future__ import annotations

from .processes import descendants, io_bytes

# What an idle process does anyway in a second (a timer, a heartbeat) is no sign of a load:
# 2 ticks are 20 ms of CPU time.
CPU_TICKS_MIN = 2
IO_BYTES_MIN = 4096
MEMORY_BYTES_MIN = 256 * 1024


class Activity:
    """Compare the tree with itself a moment ago. Times are `time.monotonic` seconds."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._cpu_ticks = 0
        self._io_bytes = 0
        self._log_bytes = 0
        self._memory_bytes_max = 0
        self.rss_bytes = 0

    def look(self, now: float, *, guard: int, log_bytes: int) -> None:
        """Take a new look at the processes below `guard`."""
        tree = descendants(guard)
        cpu_ticks = sum(process.cpu_ticks for process in tree)
        io = sum(io_bytes(process.pid) for process in tree)
        self.rss_bytes = sum(process.rss_bytes for process in tree)
        # A sum shrinks when a process ends: a change either way means that something happened.
        is_active = (
            abs(cpu_ticks - self._cpu_ticks) >= CPU_TICKS_MIN
            or abs(io - self._io_bytes) >= IO_BYTES_MIN
            or log_bytes != self._log_bytes
            or self.rss_bytes >= self._memory_bytes_max + MEMORY_BYTES_MIN
        )
        self._cpu_ticks, self._io_bytes, self._log_bytes = cpu_ticks, io, log_bytes
        self._memory_bytes_max = max(self._memory_bytes_max, self.rss_bytes)
        if is_active:
            self._last = now

    def quiet_ms(self, now: float) -> int:
        """Return the milliseconds since the tree last did something."""
        return int((now - self._last) * 1000)
