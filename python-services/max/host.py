"""Become MAX's server: the same process, so that the guard sees its signals and its end."""

from __future__ import annotations

import os
import sys


def host(argv: list[str]) -> int:
    """Replace this process by `max serve`; returns only when that fails."""
    os.execv(sys.executable, [sys.executable, "-m", "max._entrypoints.pipelines", "serve", *argv])
    return 1
