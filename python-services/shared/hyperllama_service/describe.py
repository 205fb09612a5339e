"""The verb `describe`: version and devices from the names of installed packages alone."""

from __future__ import annotations

import json
import os
import sys

from .events import emit

MARKER = "hyperllama-environment.json"
# Which devices a recipe's build can use besides the CPU.
RECIPE_DEVICES = {
    "all": ["nvidia", "amd"],
    "cuda": ["nvidia"],
    "rocm": ["amd"],
    "vulkan": ["nvidia", "amd", "intel"],
}


def describe(distribution: str, *, build: str) -> int:
    """Emit `described`, or `failed` when the distribution is not installed here."""
    version = installed_version(distribution)
    if version is None:
        because = f"`{distribution}` is not installed in `{sys.prefix}`"
        emit({"event": "failed", "code": "HL_ENGINE_NOT_INSTALLED", "because": because})
        return 1
    emit({"event": "described", "version": version, "build": build, "devices": devices()})
    return 0


def installed_version(distribution: str) -> str | None:
    """Return the version in the name of `<distribution>-<version>.dist-info`."""
    name = distribution.replace("-", "_").lower()
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in entries:
            head, _, version = entry.removesuffix(".dist-info").rpartition("-")
            if entry.endswith(".dist-info") and head.replace("-", "_").lower() == name:
                return version
    return None


def devices() -> list[str]:
    """Return what the build can use, from the recipe that made the environment."""
    recipe = os.environ.get("HYPERLLAMA_RECIPE", "")
    try:
        with open(os.path.join(sys.prefix, MARKER), encoding="utf-8") as file:
            recipe = json.load(file).get("recipe", recipe)
    except (OSError, ValueError, AttributeError):
        # Not made by our installer, or not finished yet.
        pass
    own = "apple" if sys.platform == "darwin" and os.uname().machine == "arm64" else None
    return ["cpu", *([own] if own else []), *RECIPE_DEVICES.get(recipe, [])]
