"""Run an installer's child: with progress, with deadlines, and ended when its caller is gone."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections import deque

from .events import emit
from .log import printable
from .spawn import PR_SET_PDEATHSIG, load_prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PROGRESS_STEP_S = 0.4
# Measuring an environment of 60,000 files takes a second: at most this share of the time.
MEASURE_SHARE_MAX = 0.2
# No growth, no line: uv and pip have their own shorter limits for a silent server.
STALL_LIMIT_S = 300.0
# For what is silent while it computes; a proof that takes too long says so itself, after 300 s.
QUIET_LIMIT_S = 900.0
KILL_GRACE_S = 2.0
LINES_MAX = 200
READ_BYTES = 64 * 1024


class CancelledError(Exception):
    """The caller ended our stdin, or a signal asked us to stop."""


class StalledError(Exception):
    """The child did nothing for longer than the limit."""


class Caller:
    """Whoever ordered: gone when stdin ends or a signal comes."""

    def __init__(self) -> None:
        self._is_gone = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._leave)

    def check(self) -> None:
        """Raise CancelledError when nobody waits any more."""
        while not self._is_gone and select.select([0], [], [], 0)[0]:
            self._is_gone = not os.read(0, READ_BYTES)
        if self._is_gone:
            raise CancelledError

    def _leave(self, *_: object) -> None:
        self._is_gone = True


class Progress:
    """Say how far it is, at least twice a second, never backwards."""

    def __init__(self, size: Callable[[], int], bytes_total: int | None) -> None:
        self._size = size
        self.bytes_total = bytes_total
        self.stall_limit_s = STALL_LIMIT_S
        self._most = 0
        self._said = 0.0
        self._measure_at = 0.0
        self.changed = time.monotonic()

    def restart(self, bytes_total: int | None) -> None:
        """Count anew, towards another total; `None` = the bytes say nothing of how far it is."""
        self.bytes_total, self._most = bytes_total, 0
        self.changed = time.monotonic()

    def tell(self, now: float) -> None:
        """Emit a `progress` event when one is due."""
        if now - self._said < PROGRESS_STEP_S:
            return
        self._said = now
        if now >= self._measure_at:
            self._measure(now)
        total = self.bytes_total
        size = self._most if total is None else min(self._most, total)
        emit({"event": "progress", "bytes": size, "bytesTotal": total})

    def _measure(self, now: float) -> None:
        size = self._size()
        if size > self._most:
            self._most, self.changed = size, now
        self._measure_at = now + (time.monotonic() - now) / MEASURE_SHARE_MAX


def run_child(
    command: list[str],
    environment: dict[str, str],
    *,
    caller: Caller,
    progress: Progress,
    lock: int | None,
    on_line: Callable[[str], None] = lambda _: None,
) -> tuple[int, list[str]]:
    """Run to the end; the child holds the lock too, so that it is never freed under it.

    Returns:
        Exit code and the last lines it printed.

    Raises:
        CancelledError: the caller left; the child is gone as well.
        StalledError: it did nothing for too long; it is gone as well.
    """
    libc = load_prctl()

    def die_with_us() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    child = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[] if lock is None else [lock],
        start_new_session=True,
        preexec_fn=die_with_us,
    )
    assert child.stdout is not None
    lines: deque[str] = deque(maxlen=LINES_MAX)
    rest = b""
    try:
        while True:
            caller.check()
            now = time.monotonic()
            progress.tell(now)
            if now - progress.changed > progress.stall_limit_s:
                raise StalledError(f"nothing happened for {progress.stall_limit_s:.0f} s")
            fd = child.stdout.fileno()
            # Stdin too: the caller's end is then seen at once.
            if fd not in select.select([fd, 0], [], [], PROGRESS_STEP_S / 4)[0]:
                continue
            data = os.read(fd, READ_BYTES)
            if not data:
                break
            progress.changed = now
            *whole, rest = (rest + data.replace(b"\r", b"\n")).split(b"\n")
            for line in map(printable, whole):
                lines.append(line)
                on_line(line)
        return child.wait(), [*lines, printable(rest)]
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End what is left of the child's process group."""
    for number, limit_s in ((signal.SIGTERM, KILL_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
        if child.poll() is not None:
            break
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(limit_s)
        except subprocess.TimeoutExpired:
            continue
    try:
        # Its own children (compilers of bytecode) share its group.
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    if child.stdout is not None:
        child.stdout.close()


def source_bytes(folder: str) -> tuple[int, int]:
    """Return the bytes of the modules below the folder: of those compiled already, and of all."""
    compiled = total = 0
    for place, _, names in os.walk(folder):
        modules = [name for name in names if name.endswith(".py")]
        if not modules:
            continue
        try:
            kept = os.listdir(os.path.join(place, "__pycache__"))
        except OSError:
            kept = []
        done = {name.partition(".")[0] for name in kept if name.endswith(".pyc")}
        for name in modules:
            size = os.stat(os.path.join(place, name), follow_symlinks=False).st_size
            total += size
            compiled += size if name[: -len(".py")] in done else 0
    return compiled, total


def folder_bytes(*folders: str) -> int:
    """Return the bytes that the files below the folders take on disk."""
    total = 0
    stack = list(folders)
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            # Installers move folders under our feet; the next look sees them.
            continue
    return total
