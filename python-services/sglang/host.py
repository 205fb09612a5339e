"""Become SGLang's server: the same process, so that the guard sees its signals and its end."""

from __future__ import annotations

import os
import sys


def host(argv: list[str]) -> int:
    """Replace this process by SGLang's server; returns only when that fails."""
    # `setproctitle` would write over the environment, where the guard looks for the run token.
    os.environ["SPT_NOENV"] = "1"
    os.execv(sys.executable, [sys.executable, "-m", "sglang.launch_server", *argv])
    return 1
