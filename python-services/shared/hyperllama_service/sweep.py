"""Remove what killed installs left: `python -m hyperllama_service.sweep FOLDER…`.

Only what no running install holds: each staging folder is removed under the lock of its target.
"""

from __future__ import annotations

import os
import re
import shutil
import sys

from .events import emit
from .locks import try_lock

# What we name so ends in the pid of who made it; `removed` by a removal that was killed.
STAGING = re.compile(r"(.+)\.staging-(?:removed-)?\d+")


def sweep_target(target: str) -> None:
    """Remove what killed installers of this target left; the caller holds its lock."""
    folder, name = os.path.split(target)
    for entry in os.listdir(folder):
        found = STAGING.fullmatch(entry)
        if found is not None and found[1] == name:
            shutil.rmtree(os.path.join(folder, entry), ignore_errors=True)


def sweep_folder(folder: str) -> None:
    """Remove the staging folders in `folder` that nobody works in, and say so."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        found = STAGING.fullmatch(name)
        if found is None:
            continue
        lock = try_lock(os.path.join(folder, f"{found[1]}.lock"))
        if lock is None:
            continue
        try:
            path = os.path.join(folder, name)
            shutil.rmtree(path)
            emit({"event": "removed", "path": path})
        finally:
            os.close(lock)


if __name__ == "__main__":
    for place in sys.argv[1:]:
        sweep_folder(place)
