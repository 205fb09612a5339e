"""The same answers on macOS, from `ps`, `sysctl` and `lsof`: no /proc, no prctl and no pidfd.

Without a subreaper, orphans are found by the run token alone. Written from the manual pages of
macOS 14; its parsers are tested on text of that form, the programs themselves were not run.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from .process import TOKEN_NAME, Process

if TYPE_CHECKING:
    from .order import Address

# `ps` takes 10 ms, `lsof` 50 to 200.
ASK_DEADLINE_S = 10.0
_COLUMNS = "pid=,ppid=,stat=,rss=,time=,lstart="


def list_processes() -> dict[int, Process]:
    """Return all processes by pid; start times are seconds since 1970, CPU time hundredths."""
    return {process.pid: process for process in parse_ps(_ask(["ps", "-axo", _COLUMNS]))}


def read_process(pid: int) -> Process | None:
    """Return the process with this pid, `None` when there is none."""
    found = parse_ps(_ask(["ps", "-o", _COLUMNS, "-p", str(pid)]))
    return found[0] if found else None


def parse_ps(text: str) -> list[Process]:
    """Return the processes in the columns pid, ppid, stat, rss, time, lstart."""
    found = []
    for line in text.splitlines():
        pid, parent, state, rss, cpu, started = line.split(None, 5)
        found.append(
            Process(
                int(pid),
                int(parent),
                state=state[0],
                start=int(time.mktime(time.strptime(started.strip(), "%a %b %d %H:%M:%S %Y"))),
                cpu=_hundredths(cpu),
                rss=int(rss) * 1024,
            )
        )
    return found


def carries_token(pid: int, token: str) -> bool:
    """Tell whether the process was started with our run token; `ps -E` shows our own only."""
    words = _ask(["ps", "-E", "-ww", "-o", "command=", "-p", str(pid)]).split()
    return f"{TOKEN_NAME}={token}" in words


def boot_id() -> str:
    """Return what tells this boot of the machine from every other."""
    return _ask(["sysctl", "-n", "kern.bootsessionuuid"]).strip()


def find_listener(address: Address, guard: int) -> str:
    """Return `ours`, `theirs` or `nobody` for the listening socket at `address`."""
    # Late, because that module takes its answers from this one.
    from .processes import descendants

    what = [address.path]
    if address.kind == "tcp":
        what = [f"-iTCP:{address.port}", "-sTCP:LISTEN"]
    owners = parse_lsof(_ask(["lsof", "-nP", "-Fp", *what]))
    if not owners:
        return "nobody"
    if owners & {process.pid for process in descendants(guard)}:
        return "ours"
    return "theirs" if address.kind == "tcp" else "nobody"


def parse_lsof(text: str) -> set[int]:
    """Return the pids in the field output of lsof."""
    return {int(line[1:]) for line in text.splitlines() if line.startswith("p")}


def _hundredths(clock: str) -> int:
    """Return `12:34.56` or `1-02:03:04` in hundredths of a second."""
    days, _, rest = clock.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = seconds * 60 + float(part)
    return round((int(days or 0) * 86_400 + seconds) * 100)


def _ask(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_DEADLINE_S,
            check=False,
            # The form of dates depends on the language.
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
