"""What the tests of all services have in common: a stand-in package, a verb's answer, a lock."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any


def write_modules(folder: Path, files: dict[str, str]) -> None:
    """Write modules by their paths; every folder on the way to one is a package."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.parents:
            if parent == folder:
                break
            (parent / "__init__.py").touch()
        path.write_text(text, encoding="utf-8")


def run_verb(service: str, folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run `service.py` with these arguments where only the packages in the folder are installed.

    Returns:
        Exit code, events, and all that it printed.
    """
    done = subprocess.run(
        [sys.executable, service, *arguments],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, events, done.stdout + done.stderr


def read_lock(lock: Path) -> tuple[list[str], list[str]]:
    """Return the lines that are no exact version with hashes, and all lines."""
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    wrong = [
        line
        for line in lines
        if not re.match(r"[a-z0-9._-]+==\S+", line) or "--hash=sha256:" not in line
    ]
    return wrong, lines
