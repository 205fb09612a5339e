"""Prove that Dynamo's compiled part loads on this machine: `prepare` and `check`."""

from __future__ import annotations

import sys

from hyperllama_service.describe import installed_version
from hyperllama_service.trial import run_trial, tell_finding, tell_prepared

# 2 s warm; 100 MB of shared library from a cold network disk.
IMPORT_DEADLINE_S = 120.0
# The runtime, and what both processes import around it.
PROBE = "import dynamo.runtime, dynamo.llm, uvloop"


def prepare() -> int:
    """Prove an import; exit 1 when that fails."""
    return tell_prepared(probe())


def check() -> int:
    """Emit one finding a question: package, import."""
    version = installed_version("ai-dynamo")
    package = f"ai-dynamo {version}" if version else "not installed"
    tell_finding("dynamo", "package", is_ok=version is not None, because=package)
    problem = probe()
    tell_finding("dynamo", "import", is_ok=problem is None, because=problem or "its runtime loads")
    return 0


def probe() -> str | None:
    """Return why it cannot be imported, `None` when it can."""
    command = [sys.executable, "-c", PROBE]
    return run_trial(command, "`import dynamo`", deadline_s=IMPORT_DEADLINE_S)[1]
