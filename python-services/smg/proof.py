"""Prove that smg's compiled part loads on this machine: `prepare` and `check`."""

from __future__ import annotations

import signal
import subprocess
import sys

from hyperllama_service.describe import installed_version
from hyperllama_service.events import emit

# 0.2 s warm; 80 MB of shared library from a cold network disk.
IMPORT_DEADLINE_S = 120.0
LINES_SHOWN = 3
# The router itself, and what `smg launch` imports around it.
PROBE = "import smg.smg_rs, smg.launch_router; print(smg.smg_rs.get_version_string())"


def prepare() -> int:
    """Prove an import; exit 1 when that fails."""
    problem = probe()
    if problem is None:
        emit({"event": "prepared"})
        return 0
    emit({"event": "failed", "code": "HL_ENGINE_INSTALL_FAILED", "because": problem})
    return 1


def check() -> int:
    """Emit one finding a question: package, import."""
    version = installed_version("smg")
    _find("package", version is not None, f"smg {version}" if version else "not installed")
    problem = probe()
    _find("import", problem is None, problem or "its router loads")
    return 0


def probe() -> str | None:
    """Import it in a child, because a build for another machine dies by a signal.

    Returns:
        Why the import failed, `None` when it did not.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=IMPORT_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"`import smg` did not end within {IMPORT_DEADLINE_S:.0f} s"
    if done.returncode == 0:
        return None
    how = f"exit {done.returncode}"
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
    lines = done.stdout.decode("utf-8", "replace").splitlines()[-LINES_SHOWN:]
    return f"`import smg` ended with {how}: {' | '.join(lines)}"


def _find(code: str, is_ok: bool, because: str) -> None:
    again = "run `hyperllama engines remove smg`, then `hyperllama engines install smg`"
    hint = None if is_ok else again
    emit({"event": "finding", "ok": is_ok, "code": code, "because": because, "hint": hint})
