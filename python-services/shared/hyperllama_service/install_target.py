"""What lies at the target of an install already: the whole thing, or something in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

from .describe import MARKER
from .install_kinds import sha256_of
from .install_tools import child_environment

# `describe` looks at names of folders; a cold network disk is slower.
ASK_DEADLINE_S = 30.0
# A folder of weights without one of these is no model.
FOLDER_FILES = ("config.json", "model.safetensors")


def is_present(order: dict[str, Any]) -> bool:
    """Say whether what the order asks for is at its target, whole."""
    target = order["target"]
    if order["kind"] == "environment":
        return os.path.isfile(os.path.join(target, MARKER)) and _answers(order)
    if order["kind"] == "conversion":
        files = [os.path.join(target, name) for name in FOLDER_FILES]
        return os.path.isfile(target) or all(map(os.path.isfile, files))
    return os.path.isfile(target) and sha256_of(target) == order["sha256"]


def _answers(order: dict[str, Any]) -> bool:
    """Say whether the environment still works: the Python it was made with may be gone."""
    target = order["target"]
    try:
        done = subprocess.run(
            [os.path.join(target, "bin", "python"), order["service"], "describe"],
            env={**child_environment(target, None), "HYPERLLAMA_RECIPE": order["recipe"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=ASK_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # A slow machine is no reason to make it again.
        return True
    except OSError:
        return False
    return done.returncode == 0


def clear(target: str) -> None:
    """Remove what an install left that ended between its last two steps, or a damaged file."""
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    elif os.path.lexists(target):
        os.unlink(target)
