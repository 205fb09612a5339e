"""The verb `serve`: read the order, take the session's lock, become its guard."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from .events import READ_BYTES, LineWriter
from .guard import Guard
from .ledger import remove_file
from .listeners import is_answered
from .order import Order, OrderError, parse_order
from .run_folder import lock_run_folder
from .spawn import SpawnError, become_subreaper, load_prctl

ORDER_BYTES_MAX = 1024 * 1024
ORDER_DEADLINE_S = 10.0
EXIT_USAGE = 2
# More than any shell or test runner has open at once.
DESCRIPTORS_CLOSED = 1024
# EX_TEMPFAIL of <sysexits.h>: ask again at the control socket.
EXIT_BUSY = 75


def serve(service: str) -> int:
    """Guard the session that stdin orders; `service` is the path of the service's own script."""
    os.umask(0o077)
    _open_standard_files()
    _own_session()
    output = LineWriter(1)
    # Before the order, which may come late: a guard that was started early has the time.
    libc = load_prctl()
    try:
        line, rest = _read_order()
        order = parse_order(line)
    except OrderError as error:
        output.send(_failed("HL_OPTION_INVALID", f"order: {error}"))
        return EXIT_USAGE
    # Not before: a signal to one that only waits ends it, and another one is started.
    signals = _signals_as_bytes()
    try:
        lock = lock_run_folder(order.run_folder)
    except OSError as error:
        output.send(_failed("HL_STATE_UNWRITABLE", str(error)))
        return 1
    if lock is None:
        output.send({"event": "busy"})
        return EXIT_BUSY
    _clear_leftovers(order)
    path = order.address.path
    if path and os.path.lexists(path):
        if is_answered(path):
            because = f"another process listens on `{path}`"
            output.send(_failed("HL_ENGINE_PORT_BUSY", because))
            return 1
        os.unlink(path)
    become_subreaper(libc)
    command = [sys.executable, service, "host", "--", *order.argv]
    if order.executable is not None:
        command = [order.executable, *order.argv]
    return _guard(Guard(order, command, libc), order, (rest, signals))


def _guard(guard: Guard, order: Order, inputs: tuple[bytes, int]) -> int:
    output = LineWriter(1)
    try:
        _stderr_to(order.log_file)
        return guard.run(*inputs)
    except SpawnError as error:
        output.send(_failed("HL_ENGINE_EXITED", f"`{error.filename}`: {error.strerror}"))
        remove_file(order.ledger_file)
        guard.abandon()
    except Exception as error:
        output.send(_failed("HL_INTERNAL", f"guard: {type(error).__name__}: {error}"))
        guard.abandon()
        raise
    return 1


def _failed(code: str, because: str) -> dict[str, str]:
    return {"event": "failed", "code": code, "because": because}


def _open_standard_files() -> None:
    """Fill what a caller closed: else the lock's descriptor could become our stdout."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(fd, True)
    os.close(fd)


def _own_session() -> None:
    try:
        os.setsid()
    except PermissionError:
        # Already the leader of one: the caller started us detached.
        pass
    os.chdir("/")
    # Whatever a caller left open by mistake (a pipe somebody waits on) must not live as long.
    os.closerange(3, DESCRIPTORS_CLOSED)


def _signals_as_bytes() -> int:
    """Have signals written to a pipe; return its read end."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return read_fd


def _read_order() -> tuple[bytes, bytes]:
    """Return the first line on stdin and the bytes behind it."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    deadline = time.monotonic() + ORDER_DEADLINE_S
    data = b""
    while b"\n" not in data:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise OrderError(f"no order on stdin within {ORDER_DEADLINE_S:.0f} s")
        more = os.read(0, READ_BYTES)
        data += more
        if len(data) > ORDER_BYTES_MAX:
            raise OrderError(f"longer than {ORDER_BYTES_MAX} bytes")
        if not more:
            raise OrderError("stdin ended before the order did")
    line, _, rest = data.partition(b"\n")
    return line, rest


def _clear_leftovers(order: Order) -> None:
    """End what a guard of this session left that was killed itself; we hold its lock now."""
    if os.path.exists(order.ledger_file):
        from .reap import reap_ledger

        reap_ledger(order.ledger_file, is_lock_held=True)


def _stderr_to(path: str) -> None:
    """Let go of the caller's stderr: whoever waits for its end must not wait for the engine's."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, flags, 0o600)
    except OSError:
        fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 2)
    os.close(fd)
