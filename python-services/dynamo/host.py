"""Become one of Dynamo's processes: the same process, so that the guard sees its end."""

from __future__ import annotations

import os
import sys

EXIT_USAGE = 2
# `dynamo.mocker` takes the time of an engine and computes nothing.
MODULES = ("dynamo.frontend", "dynamo.mocker")


def host(argv: list[str]) -> int:
    """Replace this process by `python -m MODULE …`; returns only when that fails."""
    if not argv or argv[0] not in MODULES:
        sys.stderr.write(f"service.py host: error: expected one of {', '.join(MODULES)}\n")
        return EXIT_USAGE
    os.execv(sys.executable, [sys.executable, "-m", *argv])
    return 1
