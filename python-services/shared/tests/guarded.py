"""Start real guards with small engines of a few lines, and look at what lives."""

from __future__ import annotations

import json
import os
import queue
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SHARED = str(Path(__file__).resolve().parent.parent)
GUARD = (
    f"import sys; sys.path.insert(0, {SHARED!r});"
    "from hyperllama_service.serve import serve; sys.exit(serve('/nonexistent/service.py'))"
)
# Long enough for a machine that does ten other things; a test that passes never waits for it.
DEADLINE_S = 30.0

# An engine that listens on the unix socket in its first argument and lives on.
LISTEN = """
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
print("listening", flush=True)
while True: time.sleep(60)
"""

# Four processes: a child, one in its own session, one that forked twice; all ignore SIGTERM.
TREE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def live():
    while True: time.sleep(60)
r, w = os.pipe()
if os.fork() == 0:
    os.write(w, b"1"); live()
if os.fork() == 0:
    os.setsid(); os.write(w, b"1"); live()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(w, b"1"); live()
    os._exit(0)
n = 0
while n < 3: n += len(os.read(r, 3))
print("grown", flush=True)
live()
"""


class Guarded:
    """A guard under test; its events come out of a queue."""

    def __init__(self, folder: Path, script: str = LISTEN, *, key: str = "0123abcd", **more: Any):
        self.run_folder = folder / "run" / key
        self.socket = str(self.run_folder / "e.sock")
        self.control = str(self.run_folder / "c.sock")
        self.token = secrets.token_hex(16)
        self.order = {
            "key": key,
            "token": self.token,
            "runFolder": str(self.run_folder),
            "ledgerFile": str(folder / "sessions" / f"{key}.json"),
            "logFile": str(folder / "logs" / f"{key}.log"),
            "keepAliveMs": 0,
            "shutdown": {"signal": "SIGTERM", "graceMs": 5000},
            "executable": sys.executable,
            "argv": ["-c", script, self.socket],
            "environment": {},
            "address": {"kind": "unix", "path": self.socket},
            "about": {"model": "x"},
            **more,
        }
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.seen: list[dict[str, Any]] = []

    def start(
        self, *, prefix: tuple[str, ...] = (), is_read: bool = True, service: str | None = None
    ) -> Guarded:
        """Start the guard: a bare one, or the verb `serve` of a service."""
        guard = ["-c", GUARD] if service is None else [service, "serve"]
        self.process = subprocess.Popen(
            [*prefix, sys.executable, *guard], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.write(self.order)
        if is_read:
            threading.Thread(target=self._pump, daemon=True).start()
        return self

    def write(self, value: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        self.process.stdin.flush()

    def command(self, name: str, **more: Any) -> None:
        self.write({"command": name, **more})

    def wait(self, name: str, **fields: Any) -> dict[str, Any]:
        """Return the next event of this name with these fields."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            event = self.events.get(timeout=max(0.01, deadline - time.monotonic()))
            assert event is not None, f"the guard ended without `{name}`: {self.names()}"
            self.seen.append(event)
            if event["event"] == name and all(event.get(k) == v for k, v in fields.items()):
                return event

    def finish(self) -> list[dict[str, Any]]:
        """Read to the end; return all events that came since the last wait."""
        rest = []
        while (event := self.events.get(timeout=DEADLINE_S)) is not None:
            rest.append(event)
        self.seen += rest
        self.process.wait(DEADLINE_S)
        return rest

    def names(self) -> list[str]:
        return [event["event"] for event in self.seen]

    def leave(self) -> None:
        """Let go without a word, as a killed starter does."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> None:
        """Clean up after a test, whatever happened in it."""
        for process in (self.process.pid, *with_token(self.token)):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(DEADLINE_S)

    def _pump(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)


class Lease:
    """A connection to a guard's control socket."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def read(self) -> dict[str, Any] | None:
        """Return the next event, `None` at the end."""
        line = self.file.readline()
        return json.loads(line) if line else None

    def wait(self, name: str) -> dict[str, Any]:
        while (event := self.read()) is not None:
            if event["event"] == name:
                return event
        raise AssertionError(f"the connection ended without `{name}`")

    def command(self, name: str, **more: Any) -> None:
        self.socket.sendall(json.dumps({"command": name, **more}).encode() + b"\n")

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def with_token(token: str) -> list[int]:
    """Return the living processes that were started with the token: never found by name."""
    needle = f"HYPERLLAMA_RUN_TOKEN={token}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            environ = Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if needle in environ.split(b"\0"):
            found.append(int(name))
    return found


def until(condition: Any, what: str) -> None:
    """Look until the condition holds; fail when it never does."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        select.select([], [], [], 0.005)


def is_alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"
