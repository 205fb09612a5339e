"""Keep the holders of a session: who may still need the engine, and what they say."""

from __future__ import annotations

import os
import selectors
import socket
import stat
import time

from .events import READ_BYTES, LineReader, LineWriter, decode
from .ledger import remove_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Follower(Protocol):
        """Who decides what the words and the ends of holders mean: the guard."""

        def greet(self, holder: Holder) -> None:
            """Take note of a new holder."""

        def follow(self, holder: Holder, command: dict[str, Any]) -> None:
            """Follow a command."""

        def last_lease_ended(self, *, is_orderly: bool) -> None:
            """Take note that nobody holds the session any more."""


# A guard is not a server: more holders than this is a loop somewhere.
HOLDERS_MAX = 256
BACKLOG = 64
FAREWELL_S = 0.5
FAREWELL_STEP_S = 0.01


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
        self.is_awaited = False
        # When the keep-alive would have been over, had it not come.
        self.linger_until = float("inf")


class Leases:
    """Accept holders, read their commands, write events to all of them; none can block us."""

    def __init__(self, selector: selectors.BaseSelector, follower: Follower) -> None:
        self._selector = selector
        self._follower = follower
        self._holders: list[Holder] = []
        self._listener: socket.socket | None = None

    @property
    def count(self) -> int:
        """Return how many leases hold the session."""
        return sum(holder.is_lease for holder in self._holders)

    def listen(self, path: str) -> None:
        """Open the control socket at `path`, in a folder that only we may enter."""
        # A killed guard leaves its socket; we hold the session's lock.
        remove_file(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def add(self, read_fd: int, write_fd: int) -> Holder:
        """Take a new holder."""
        mode = os.fstat(write_fd).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            # Not for a terminal or a file: the flag would change them for the caller as well.
            os.set_blocking(write_fd, False)
        holder = Holder(read_fd, write_fd)
        self._holders.append(holder)
        self._selector.register(read_fd, selectors.EVENT_READ, lambda _: self._read(holder))
        self._follower.greet(holder)
        return holder

    def broadcast(self, event: dict[str, Any]) -> None:
        """Queue the event for every holder."""
        for holder in self._holders:
            holder.writer.send(event)

    def flush(self) -> None:
        """Write what the readers take, and be woken when the others take more."""
        for holder in self._holders:
            holder.writer.flush()
            is_awaited = not holder.writer.is_empty
            if is_awaited != holder.is_awaited:
                holder.is_awaited = is_awaited
                self._watch(holder)

    def say_farewell(self) -> None:
        """Give slow readers a moment for the last lines."""
        until = time.monotonic() + FAREWELL_S
        while time.monotonic() < until:
            self.flush()
            if not any(holder.is_awaited for holder in self._holders):
                return
            time.sleep(FAREWELL_STEP_S)

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
                self._follower.follow(holder, command)

    def release(self, holder: Holder) -> None:
        """End the lease of a holder in order; it may go on reading."""
        self._end_lease(holder, is_orderly=True)

    def close_released(self) -> None:
        """Let go of those who waited for an end that does not come: somebody new holds on."""
        for holder in [holder for holder in self._holders if not holder.is_lease]:
            self.close(holder)

    def close(self, holder: Holder) -> None:
        """Let go of a holder; without a `release` before it counts as killed."""
        if not holder.is_open:
            return
        holder.is_open = False
        holder.is_awaited = False
        self._watch(holder)
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
        self._end_lease(holder, is_orderly=False)

    def _end_lease(self, holder: Holder, *, is_orderly: bool) -> None:
        if holder.is_lease:
            holder.is_lease = False
            if self.count == 0:
                self._follower.last_lease_ended(is_orderly=is_orderly)

    def _watch(self, holder: Holder) -> None:
        write = selectors.EVENT_WRITE
        if holder.write_fd == holder.read_fd:
            events = selectors.EVENT_READ | (write if holder.is_awaited else 0)
            self._selector.modify(holder.read_fd, events, lambda _: self._read(holder))
        elif holder.is_awaited:
            self._selector.register(holder.write_fd, write, lambda _: holder.writer.flush())
        elif holder.write_fd in self._selector.get_map():
            self._selector.unregister(holder.write_fd)

    def _accept(self, _: int) -> None:
        assert self._listener is not None, "registered by listen"
        try:
            connection, _address = self._listener.accept()
        except OSError:
            return
        fd = connection.detach()
        if len(self._holders) >= HOLDERS_MAX:
            os.close(fd)
            return
        os.set_blocking(fd, False)
        self.add(fd, fd)

    def _read(self, holder: Holder) -> None:
        try:
            data = os.read(holder.read_fd, READ_BYTES)
        except BlockingIOError:
            # Woken because it takes lines again.
            return
        except OSError:
            data = b""
        if data:
            self.take(holder, data)
        else:
            self.close(holder)
