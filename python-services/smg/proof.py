"""Prove that smg's compiled part loads on this machine: `prepare` and `check`."""

from __future__ import annotations

import sys

from hyperllama_service.describe import installed_version
from hyperllama_service.trial import run_trial, tell_finding, tell_prepared

# 0.2 s warm; 80 MB of shared library from a cold network disk.
IMPORT_DEADLINE_S = 120.0
# The router itself, and what `smg launch` imports around it.
PROBE = "import smg.smg_rs, smg.launch_router; print(smg.smg_rs.get_version_string())"


def prepare() -> int:
    """Prove an import; exit 1 when that fails."""
    return tell_prepared(probe())


def check() -> int:
    """Emit one finding a question: package, import."""
    version = installed_version("smg")
    package = f"smg {version}" if version else "not installed"
    tell_finding("smg", "package", is_ok=version is not None, because=package)
    problem = probe()
    tell_finding("smg", "import", is_ok=problem is None, because=problem or "its router loads")
    return 0


def probe() -> str | None:
    """Return why it cannot be imported, `None` when it can."""
    command = [sys.executable, "-c", PROBE]
    return run_trial(command, "`import smg`", deadline_s=IMPORT_DEADLINE_S)[1]
