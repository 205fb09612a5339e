"""Keep the holders of a session: who may still need the engine, and what they say."""

from __future__ import annotations

import os
import selectors
import socket
import stat

from .events import READ_BYTES, LineReader, LineWriter, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# A guard is not a server: more holders than this is a loop somewhere.
HOLDERS_MAX = 256


class Holder:
    """One who holds the session: the starter's pipes, or a connection to the control socket."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.reader = LineReader()
        self.writer = LineWriter(write_fd)
        # A holder that released goes on reading events, but no longer keeps the engine.
        self.is_lease = True
        self.is_open = True


class Leases:
    """Accept holders, read their commands, write events to all of them; none can block us."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        *,
        on_command: Callable[[Holder, dict[str, Any]], None],
        on_lease_end: Callable[[bool], None],
        on_holder: Callable[[Holder], None],
    ) -> None:
        self._selector = selector
        self._on_command = on_command
        self._on_lease_end = on_lease_end
        self._on_holder = on_holder
        self._holders: list[Holder] = []
        self._listener: socket.socket | None = None

    @property
    def count(self) -> int:
        """Return how many leases hold the session."""
        return sum(holder.is_lease for holder in self._holders)

    @property
    def is_flushed(self) -> bool:
        """Tell whether every reader has got all lines."""
        return all(holder.writer.is_empty for holder in self._holders)

    def listen(self, path: str) -> None:
        """Open the control socket at `path`, in a folder that only we may enter."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(64)
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def add(self, read_fd: int, write_fd: int) -> Holder:
        """Take a new holder; it gets the `session` event before anything else."""
        mode = os.fstat(write_fd).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            # Not for a terminal or a file: the flag would change them for the caller as well.
            os.set_blocking(write_fd, False)
        holder = Holder(read_fd, write_fd)
        self._holders.append(holder)
        self._selector.register(read_fd, selectors.EVENT_READ, lambda _: self._read(holder))
        return holder

    def broadcast(self, event: dict[str, Any]) -> None:
        """Queue the event for every holder."""
        for holder in self._holders:
            holder.writer.send(event)

    def flush(self) -> None:
        """Write what waits in the queues, as far as the readers take it."""
        for holder in self._holders:
            holder.writer.flush()

    def has_waiting_lines(self) -> bool:
        """Tell whether a flush is worth another turn soon."""
        return not self.is_flushed

    def release(self, holder: Holder, *, is_orderly: bool) -> None:
        """End the lease of a holder, which may go on reading."""
        if holder.is_lease:
            holder.is_lease = False
            if self.count == 0:
                self._on_lease_end(is_orderly)

    def close(self, holder: Holder) -> None:
        """Let go of a holder; without a `release` before it counts as killed."""
        if not holder.is_open:
            return
        holder.is_open = False
        self._selector.unregister(holder.read_fd)
        self._holders.remove(holder)
        for fd in {holder.read_fd, holder.write_fd}:
            if fd > 2:
                os.close(fd)
            else:
                # The number stays taken, so that no later file becomes our stdout.
                null = os.open(os.devnull, os.O_RDWR)
                os.dup2(null, fd)
                os.close(null)
        if holder.is_lease:
            holder.is_lease = False
            if self.count == 0:
                self._on_lease_end(False)

    def _accept(self, _: int) -> None:
        assert self._listener is not None
        try:
            connection, _address = self._listener.accept()
        except OSError:
            return
        fd = connection.detach()
        if len(self._holders) >= HOLDERS_MAX:
            os.close(fd)
            return
        os.set_blocking(fd, False)
        self._on_holder(self.add(fd, fd))

    def _read(self, holder: Holder) -> None:
        try:
            data = os.read(holder.read_fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(holder)
            return
        self.take(holder, data)

    def take(self, holder: Holder, data: bytes) -> None:
        """Follow the commands in what a holder wrote."""
        try:
            lines = holder.reader.feed(data)
        except ValueError:
            self.close(holder)
            return
        for line in lines:
            command = decode(line)
            if command is not None and holder.is_open:
                self._on_command(holder, command)
