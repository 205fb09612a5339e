"""Speak JSON lines: one event a line, bounded towards slow readers, bounded from any writer."""

from __future__ import annotations

import json
import os
import sys
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A reader that is slower than this is served gaps: the engine's life is worth more than a line.
QUEUE_BYTES_MAX = 256 * 1024
# No command is longer; an order may be (a long argv, many variables).
COMMAND_BYTES_MAX = 64 * 1024
READ_BYTES = 64 * 1024


def encode(event: dict[str, Any]) -> bytes:
    """Return the event as one line, newline included."""
    return (
        json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "backslashreplace"
        )
        + b"\n"
    )


def emit(event: dict[str, Any]) -> None:
    """Write the event to stdout and wait until it is written; a reader that is gone is no error."""
    try:
        sys.stdout.buffer.write(encode(event))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Without this the interpreter complains again when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class LineWriter:
    """Queue lines for a non-blocking descriptor and write what it takes."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.dropped = 0
        self.is_broken = False
        self._queue: deque[bytes] = deque()
        self._queued = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits to be written."""
        return not self._queue

    def send(self, event: dict[str, Any]) -> None:
        """Queue the event and write at once what the reader takes."""
        line = encode(event)
        if self.is_broken:
            return
        # One line always fits, however long: `session` carries what its caller gave.
        if self._queue and self._queued + len(line) > QUEUE_BYTES_MAX:
            self.dropped += 1
            return
        self._queue.append(line)
        self._queued += len(line)
        self.flush()

    def flush(self) -> None:
        """Write until the queue is empty or the reader takes no more."""
        while self._queue:
            line = self._queue[0]
            try:
                written = os.write(self.fd, line)
            except BlockingIOError:
                return
            except OSError:
                # The reader is gone; whether the lease is, its own descriptor tells.
                self.is_broken = True
                self._queue.clear()
                self._queued = 0
                return
            self._queued -= written
            if written == len(line):
                self._queue.popleft()
            else:
                self._queue[0] = line[written:]


class LineReader:
    """Cut bytes into lines; a line over the limit ends the conversation."""

    def __init__(self, bytes_max: int = COMMAND_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes.

        Raises:
            ValueError: a line is longer than `bytes_max`.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self.bytes_max or any(len(line) > self.bytes_max for line in lines):
            raise ValueError(f"a line is longer than {self.bytes_max} bytes")
        return [line for line in lines if line.strip()]


def decode(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `line`, `None` when it holds anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
