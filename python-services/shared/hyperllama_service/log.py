"""Keep what the engine says: a bounded ring, a rotating file, and lines fit for a terminal."""

from __future__ import annotations

import os
import time
from collections import deque

LINE_BYTES_MAX = 8 * 1024
RING_BYTES_MAX = 256 * 1024
FILE_BYTES_MAX = 10 * 1024 * 1024
FILES_MAX = 3
TAIL_LINES_MAX = 20
# An event with more would crowd out others that wait for a slow reader.
TAIL_BYTES_MAX = 64 * 1024
# Formatting costs more than reading: above this an engine's flood is counted, not kept, so that
# its pipe is always drained.
FLOOD_BYTES_PER_SECOND = 8 * 1024 * 1024

# Everything that could move a terminal's cursor or hide text, except the tab.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160)) if code != 9}


def printable(line: bytes) -> str:
    """Return the line as text of at most 8 KiB with control characters escaped."""
    cut = line[:LINE_BYTES_MAX].decode("utf-8", "replace").translate(_ESCAPES)
    if len(line) <= LINE_BYTES_MAX and len(cut) <= LINE_BYTES_MAX:
        return cut
    return cut[: LINE_BYTES_MAX - 1] + "…"


class EngineLog:
    """Take the engine's bytes; give lines, the last lines, and a file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.bytes_seen = 0
        self.bytes_dropped = 0
        self._rest = b""
        self._is_in_cut_line = False
        self._ring: deque[str] = deque()
        self._ring_bytes = 0
        self._second = 0
        self._second_bytes = 0
        self._fd = -1
        self._file_bytes = 0
        self._open()

    def feed(self, data: bytes) -> list[str]:
        """Take what the engine wrote; return the lines it completes."""
        self.bytes_seen += len(data)
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._second_bytes = second, 0
        self._second_bytes += len(data)
        if self._second_bytes > FLOOD_BYTES_PER_SECOND:
            self.bytes_dropped += len(data)
            return []
        *lines, rest = (self._rest + data.replace(b"\r", b"\n")).split(b"\n")
        if self._is_in_cut_line and lines:
            # The tail of a line whose head was already given out.
            lines, self._is_in_cut_line = lines[1:], False
        if self._is_in_cut_line:
            rest = b""
        elif len(rest) > LINE_BYTES_MAX:
            lines.append(rest)
            rest, self._is_in_cut_line = b"", True
        self._rest = rest
        return self._keep(lines)

    def finish(self) -> list[str]:
        """Return the last line when the engine ended without a newline."""
        rest, self._rest = self._rest, b""
        return self._keep([rest])

    def tail(self, lines_max: int = TAIL_LINES_MAX) -> list[str]:
        """Return the last lines, oldest first: at most so many, and of 64 KiB together."""
        lines = list(self._ring)[-lines_max:]
        size = sum(len(line) for line in lines)
        while size > TAIL_BYTES_MAX:
            size -= len(lines.pop(0))
        return lines

    def close(self) -> None:
        """Close the file, saying what it lacks; the ring stays."""
        if self.bytes_dropped:
            self._write(f"guard: {self.bytes_dropped} bytes of this log were dropped\n".encode())
        self._close_file()

    def _keep(self, raw: list[bytes]) -> list[str]:
        lines = [printable(line) for line in raw if line]
        for line in lines:
            self._ring.append(line)
            self._ring_bytes += len(line)
            while self._ring_bytes > RING_BYTES_MAX:
                self._ring_bytes -= len(self._ring.popleft())
        if lines:
            self._write(("\n".join(lines) + "\n").encode("utf-8", "replace"))
        return lines

    def _write(self, data: bytes) -> None:
        try:
            if self._file_bytes + len(data) > FILE_BYTES_MAX:
                self._rotate()
            if self._fd >= 0:
                self._file_bytes += os.write(self._fd, data)
                return
        except OSError:
            # A full disk must not end a working engine; the ring still has the lines.
            pass
        self.bytes_dropped += len(data)

    def _rotate(self) -> None:
        self._close_file()
        for number in range(FILES_MAX - 1, 0, -1):
            older = self.path if number == 1 else f"{self.path}.{number - 1}"
            if os.path.exists(older):
                os.replace(older, f"{self.path}.{number}")
        self._open()

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            self._fd = os.open(self.path, flags, 0o600)
            self._file_bytes = os.fstat(self._fd).st_size
        except OSError:
            self._fd = -1
