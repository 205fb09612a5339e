"""What every service's proof has in common: a trial in a child process, and how its end is told."""

from __future__ import annotations

import os
import signal
import subprocess

from .events import emit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Of what the child printed last: a trace's own line, and what stands above it.
LINES_SHOWN = 3


def run_trial(
    command: Sequence[str],
    what: str,
    *,
    deadline_s: float,
    environment: dict[str, str] | None = None,
    folder: str | None = None,
) -> tuple[list[str], str | None]:
    """Run the command in a child, because a build for another processor dies by a signal.

    Args:
        command: program and arguments.
        what: what is tried, for messages: `a test decode`.
        deadline_s: the child is ended after as many seconds.
        environment: added to our own.
        folder: where it runs; `None` = where we do.

    Returns:
        The lines it printed, and why it failed; `None` when it did not.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=deadline_s,
            check=False,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        return [], f"{what} did not end within {deadline_s:.0f} s"
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode == 0:
        return lines, None
    how = f"exit {done.returncode}"
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
    return lines, f"{what} ended with {how}: {' | '.join(lines[-LINES_SHOWN:])}"


def value_of(name: str, lines: list[str]) -> str:
    """Return what stands behind `name ` in the first line that begins so; empty without one."""
    return next(
        (line[len(name) + 1 :].strip() for line in lines if line.startswith(f"{name} ")), ""
    )


def tell_prepared(problem: str | None, **facts: str) -> int:
    """Emit how `prepare` ended and return its exit code."""
    if problem is None:
        emit({"event": "prepared", **facts})
        return 0
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": problem})
    return 1


def tell_finding(engine: str, code: str, *, is_ok: bool, because: str) -> None:
    """Emit one answer of `check`; what is wrong is mended by a new install of `engine`."""
    again = f"run `hyperllama engines remove {engine}`, then `hyperllama engines install {engine}`"
    hint = None if is_ok else again
    emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": hint})
